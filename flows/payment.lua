-- Catches the error it knows and ends the run with a code of its own; all other errors suspend the run.
return {
    description = "Charges a card.",
    http = "POST /payment",
    request = { body = { amount = { type = "int", required = true, min = 1 } } },
    run = function(ctx, input)
        local ok, result = pcall(ctx.request, { url = ctx.env.CARD_URL, json = { amount = input.body.amount } })
        if ok then
            return { paid = input.body.amount, receipt = result.receipt }
        elseif result.code == "HTTP_STATUS" and result.status == 402 then
            ctx.fail("CARD_DECLINED", result.data.reason)
        end
        error(result)
    end,
}
