-- SPDX-License-Identifier: MIT
local line = require "flowhost.dialect.line"

local TEXT = [[

{
  "Comment": "\"States\": { ] \\",
  "StartAt": "A",
  "States": {
    "A": { "Type": "Choice", "Choices": [ { "Next": "B" },
        { "And": [ [1, -2e3], { "x": [] },
            { "Variable": 1 } ] }
    ] },
    "B":
      { "Type" :"Pass" , "Result":{"a":[{},{"b":[]}],"c":"}"}, "Next": "C" }
  }
}]]

describe("the line of a place", function()
    for location, expected in pairs {
        ["/"] = 2, [""] = 2, ["/StartAt"] = 4, ["/States"] = 5, ["/States/A"] = 6, ["/States/A/Choices[0]/Next"] = 6,
        ["/States/A/Choices[1]"] = 7, ["/States/A/Choices[1]/And[2]/Variable"] = 8, ["/States/B"] = 10,
        ["/States/B/Next"] = 11, ["/States/B/Result/a[1]/b"] = 11,
    } do
        it("is that of " .. location, function()
            assert.equal(expected, line.of(TEXT, location))
        end)
    end

    it("is the last that there is of what is not there", function()
        for location, expected in pairs { ["/start"] = 2, ["/States/C/Next"] = 5, ["/States/A/Choices[7]/Next"] = 6,
            ["/StartAt/x"] = 4, ["/States/B/Type[0]"] = 11 } do
            assert.equal(expected, line.of(TEXT, location))
        end
    end)

    it("is that of a name in another case where there is no other", function()
        local text = '{"states":\n{"a":1,\n"A":\n{"next":2}}}'
        for location, expected in pairs { ["/States"] = 1, ["/States/a"] = 2, ["/States/A"] = 3,
            ["/States/A/Next"] = 4, ["/States/A/next"] = 4 } do
            assert.equal(expected, line.of(text, location))
        end
    end)

    it("is that of a JSON pointer", function()
        for pointer, expected in pairs { ["/States/A/Choices/0/Next"] = 6, ["/States/A/Choices/1/And/2/Variable"] = 8,
            ["/States/A/Choices/1/And/2"] = 8, ["/States/A/Choices/7"] = 6, ["/States/A/Choices/x"] = 6 } do
            assert.equal(expected, line.of(TEXT, pointer))
        end
    end)

    it("comes to an end on what is cut off", function()
        for last = 1, #TEXT do
            assert.is_number(line.of(TEXT:sub(1, last), "/States/B/Result/a[1]/b"))
        end
    end)
end)
