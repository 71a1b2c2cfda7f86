-- Nothing of it is kept: it goes on while the store cannot be written.
return {
    http = "GET /fleeting",
    durable = "never",
    run = function(ctx)
        return { round = ctx.env.ROUND }
    end,
}
