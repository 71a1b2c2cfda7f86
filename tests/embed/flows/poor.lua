-- A component that fails: the flow sees its code.
return function(ctx)
    local ok, err = pcall(ctx.component, "charge", { cents = 100000 })
    return { ok = ok, code = err.code, message = err.message }
end
