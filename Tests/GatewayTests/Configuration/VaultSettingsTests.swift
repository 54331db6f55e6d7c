import Catalog
import Composition
import Gateway
import JSONSlice
import Testing

@Suite struct VaultSettingsTests {
    private func read(_ json: JSON) -> (VaultSettings, [String]) {
        var section = ConfigSection(json)
        let settings = VaultSettings(reading: &section)
        section.reportUnknownKeys()
        return (settings, section.problems.map { "\($0.path): \($0.message)" })
    }

    @Test func `a secret's own age counts before the general one`() {
        let (settings, problems) = read([
            "rotateAfter": "90d", "secrets": ["github": ["rotateAfter": "30d"]], "dumps": "on",
        ])
        #expect(problems.isEmpty)
        #expect(settings.rotateAfter("github") == .seconds(30 * 86_400))
        #expect(settings.rotateAfter("other") == .seconds(90 * 86_400))
        #expect(settings.allowsDumps)
    }

    @Test func `nothing is reminded of unless it is asked for, and nobody reads the process`() {
        #expect(VaultSettings.standard.rotateAfter("github") == nil)
        #expect(!VaultSettings.standard.allowsDumps)
    }

    @Test(
        arguments: [
            (["rotateAfter": "5m"] as JSON, "rotateAfter"), (["rotateAfter": "90"], "rotateAfter"),
            (["secrets": ["Bad Name": ["rotateAfter": "30d"]]], "no name of a secret"),
            (["secrets": ["github": [:]]], "is missing"),
            (["secrets": ["github": ["rotate": "30d"]]], "not a setting"), (["dumps": "yes"], "dumps"),
        ] as [(JSON, String)])
    func `what is wrong is told with its place`(json: JSON, said: String) {
        let (_, problems) = read(json)
        #expect(problems.contains { $0.contains(said) }, "\(problems)")
    }
}
