import Catalog
import Composition
import JSONSlice
import MartletTestKit
import Testing

@testable import Gateway

/// Holds docs/configuration.schema.json against what is really read.
@Suite struct ConfigurationSchemaTests {
    private static func keys(_ pointer: String) throws -> Set<String> {
        let schema = try Fixture.document("docs/configuration.schema.json")
        return Set(try #require(schema.pointer(pointer)).members.map(\.key))
    }

    private static func known(_ read: (inout ConfigSection) -> Void) -> Set<String> {
        var section = ConfigSection(.emptyObject)
        read(&section)
        return Set(section.knownKeys)
    }

    @Test func `top-level keys are those of the decoder`() throws {
        let known = Self.known { _ = NodeConfiguration(reading: &$0) }
        #expect(try Self.keys("/properties") == known)
    }

    @Test func `sections have the keys of their decoders`() throws {
        #expect(try Self.keys("/properties/node/properties") == Self.known { _ = NodeSettings(reading: &$0) })
        #expect(
            try Self.keys("/properties/listen/properties") == Self.known { _ = ListenSettings(reading: &$0) })
        #expect(try Self.keys("/properties/mesh/properties") == Self.known { _ = MeshSettings(reading: &$0) })
        #expect(
            try Self.keys("/properties/limits/properties") == Self.known { _ = LimitSettings(reading: &$0) })
        #expect(
            try Self.keys("/properties/search/properties") == Self.known { _ = SearchSettings(reading: &$0) })
        #expect(
            try Self.keys("/properties/search/properties/embeddings/properties")
                == Self.known { _ = EmbeddingSettings(reading: &$0) })
        #expect(
            try Self.keys("/properties/vault/properties") == Self.known { _ = VaultSettings(reading: &$0) })
        let auth = "/properties/auth/properties"
        #expect(try Self.keys(auth) == Self.known { _ = AuthSettings(reading: &$0) })
        let issuer = "\(auth)/jwt/items/properties"
        #expect(try Self.keys(issuer) == Self.known { _ = TokenIssuer(reading: &$0) })
        #expect(
            try Self.keys("\(issuer)/scopes/properties") == Self.known { _ = ScopeSettings(reading: &$0) })
        #expect(
            try Self.keys("\(auth)/basic/items/properties") == Self.known { _ = BasicUser(reading: &$0) })
        #expect(
            try Self.keys("/$defs/listener/anyOf/1/properties/tls/properties")
                == Self.known { _ = TLSSettings(reading: &$0) })
    }

    @Test func `a server has the keys of its decoder`() throws {
        let name: Label = "x"
        let known = Self.known { _ = ServerDefinition(name: name, reading: &$0) }
        #expect(try Self.keys("/$defs/server/properties") == known)
        #expect(
            try Self.keys("/$defs/auth/properties") == Self.known { _ = ServerDefinition.Auth(reading: &$0) })
        let client = "/$defs/auth/properties/clientCredentials/properties"
        #expect(
            try Self.keys(client) == Self.known { _ = ServerDefinition.ClientCredentials(reading: &$0) })
        #expect(
            try Self.keys("/$defs/serverTLS/properties")
                == Self.known { _ = ServerDefinition.TLS(reading: &$0) })
    }

    @Test func `a virtual server has the keys of its decoder`() throws {
        let known = Self.known { _ = VirtualServerDefinition(reading: &$0) }
        #expect(try Self.keys("/$defs/virtualServer/properties") == known)
    }

    @Test func `an item of use has the keys of its decoder`() throws {
        // The message for an unknown key lists all that are known.
        let error = try #require(throws: ConfigProblems.self) {
            try VirtualServerDefinition(json: ["use": [["from": "a", "zzzzzzzzzz": 1]]])
        }
        let message = try #require(error.problems.first?.message)
        let listed = try #require(message.split(separator: "known here: ").last)
        #expect(try Self.keys("/$defs/use/properties") == Set(listed.split(separator: ", ").map(String.init)))
    }

    @Test(
        arguments: [
            ("/$defs/step/properties", ["id": "a", "call": "s/t", "zzzzzzzzzz": 1] as JSON, ["parallel"]),
            (
                "/$defs/condition/properties",
                ["id": "a", "call": "s/t", "when": ["value": "/input", "zzzzzzzzzz": 1]], []
            ),
        ] as [(String, JSON, [String])])
    func `a step of a composite, and its condition, have the keys of their decoders`(
        pointer: String, step: JSON, beside: [String]
    ) throws {
        let error = try #require(throws: ConfigProblems.self) {
            try VirtualServerDefinition(json: ["use": [["composite": "c", "steps": [step]]]])
        }
        let message = try #require(error.problems.lazy.map(\.message).first { $0.contains("not a setting") })
        let listed = try #require(message.split(separator: "known here: ").last)
        let known = Set(listed.split(separator: ", ").map(String.init))
        #expect(try Self.keys(pointer).union(beside) == known)
    }
}
