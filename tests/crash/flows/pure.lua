-- Only steps that stay inside: one commit for the whole run.
return function(ctx, input)
    local sum = 0
    for i = 1, 5 do
        sum = sum + ctx.step("add " .. i, function()
            return i * input.number
        end)
    end
    return { sum = sum, token = ctx.uuid(), dice = ctx.random(1, 1000000), at = ctx.now() }
end
