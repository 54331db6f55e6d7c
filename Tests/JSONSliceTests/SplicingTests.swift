import JSONSlice
import MartletTestKit
import Testing

@Suite struct SplicingTests {
    @Test(arguments: [
        (#"{}"#, #"{"k":9}"#), (#"{ }"#, #"{"k":9 }"#), (#"{"a":1}"#, #"{"a":1,"k":9}"#),
        (#"{ "a" : 1 }"#, #"{ "a" : 1,"k":9 }"#), (#"{"k":[1],"b":2}"#, #"{"k":9,"b":2}"#),
        (#"{"\u006b" : 1}"#, #"{"\u006b" : 9}"#), (#"[1]"#, #"[1]"#), (#""k""#, #""k""#),
    ])
    func `setting replaces in place or appends`(before: String, after: String) throws {
        #expect(try JSON(validating: before).setting("k", to: 9).text == after)
    }

    @Test(arguments: [
        (#"{"k":1}"#, #"{}"#), (#"{ "k":1 }"#, #"{  }"#), (#"{"k":1,"b":2}"#, #"{"b":2}"#),
        (#"{"a":1 , "k":2}"#, #"{"a":1}"#), (#"{"a":1, "k":2 , "b":3}"#, #"{"a":1 , "b":3}"#),
        (#"{"a":1}"#, #"{"a":1}"#), (#"[{"k":1}]"#, #"[{"k":1}]"#),
    ])
    func `removing takes one comma with it`(before: String, after: String) throws {
        #expect(try JSON(validating: before).removing("k").text == after)
    }

    @Test(arguments: [
        (#"{"k" : 1, "b":2}"#, #"{"new" : 1, "b":2}"#), (#"{"new":0,"k":1}"#, #"{"new":1}"#),
        (#"{"k":1,"new":0}"#, #"{"new":1}"#), (#"{"b":2}"#, #"{"b":2}"#),
    ])
    func `renaming keeps place and value`(before: String, after: String) throws {
        #expect(try JSON(validating: before).renaming("k", to: "new").text == after)
    }

    @Test(arguments: UInt64(1)...300)
    func `a set member changes its own bytes only`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let object = RandomObject(using: &random)
        let json = try JSON(validating: object.text)
        let value = try JSON(validating: RandomObject.value(&random, depth: 2))
        for index in object.members.indices {
            var expected = object
            expected.members[index].value = value.text
            let changed = json.setting(object.members[index].key, to: value)
            #expect(changed.text == expected.text)
            // Cutting it out and putting the old one back is no change at all.
            let old = try #require(json[object.members[index].key])
            #expect(changed.setting(object.members[index].key, to: old) == json)
        }
        let added = json.setting("not there", to: value)
        #expect(try JSON(validating: added.bytes) == added)
        #expect(added["not there"] == value)
        #expect(added.removing("not there") == json)
    }

    @Test(arguments: UInt64(1)...300)
    func `what is removed is gone, the rest stands to the byte`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let object = RandomObject(using: &random)
        let json = try JSON(validating: object.text)
        let chosen = Set(object.members.filter { _ in random.chance(0.4) }.map { Array($0.key.utf8) })
        let rest = json.removing { chosen.contains(Array($0.utf8)) }
        #expect(try JSON(validating: rest.bytes) == rest)
        let kept = object.members.filter { !chosen.contains(Array($0.key.utf8)) }
        #expect(rest.members.map(\.value.text) == kept.map(\.value))
        for member in kept { #expect(rest.text.contains(member.writtenKey + member.colon + member.value)) }
        #expect(rest.text.hasPrefix(object.head))
    }

    @Test(arguments: UInt64(1)...200)
    func `a renamed member changes its key only`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let object = RandomObject(using: &random)
        let json = try JSON(validating: object.text)
        for index in object.members.indices {
            var expected = object
            expected.members[index].writtenKey = "\"brand new\""
            #expect(json.renaming(object.members[index].key, to: "brand new").text == expected.text)
        }
    }
}
