-- Three tasks in a row, each tried again when the worker that has it shows no sign of life.
return function(ctx)
    local results = {}
    for i = 1, 3 do
        repeat
            local ok, value = pcall(ctx.task, "work", { run = ctx.trx(), i = i }, { heartbeat = 2 })
            if not ok and value.code ~= "TIMEOUT" then
                error(value, 0)
            end
            results[i] = ok and value or nil
        until ok
    end
    return results
end
