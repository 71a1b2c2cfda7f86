-- Two components of the embedding program, one after the other.
return function(ctx, input)
    local receipt = ctx.component("charge", { cents = input.cents })
    local parcel = ctx.component("ship", { to = input.to })
    return { receipt = receipt.number, parcel = parcel.number }
end
