-- What a line of an order costs; the function "price" of state machines.
local PRICES = { pen = 3, ink = 12 }

return function(ctx, input)
    local price = PRICES[input.item]
    if not price then
        ctx.fail("NoSuchItem", "there is no " .. tostring(input.item))
    end
    return { item = input.item, price = price * input.count }
end
