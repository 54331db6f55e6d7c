package import Catalog
package import Composition
import JSONSlice

/// What the vault reminds of, and who may look into the process that holds it open (docs/reference/vault.md).
package struct VaultSettings: Hashable, Sendable {
    package static let secretsMax = 4_096
    /// Sooner is a nuisance, later no rotation.
    package static let rotateAfterRange = Duration.seconds(3_600)...Duration.seconds(3_650 * 86_400)

    /// After which age a secret is to be rotated; `nil`: none is reminded of.
    package var rotateAfter: Duration?
    /// The same for single secrets, by name.
    package var secrets: [Label: Duration]
    /// Whether the process may be traced and leave a core file, for who debugs it: both show secrets.
    package var allowsDumps: Bool

    package static let standard: VaultSettings = {
        var section = ConfigSection(.emptyObject)
        return VaultSettings(reading: &section)
    }()

    private enum Dumps: String, CaseIterable {
        case off
        case on
    }

    package init(reading section: inout ConfigSection) {
        rotateAfter = section.rotationAge
        let single = section.sections("secrets", atMost: Self.secretsMax) { name, part in
            let label = Label(name)
            if label == nil {
                part.report(
                    "\"\(name)\" is no name of a secret: a-z, 0-9 and single - between them, at most 32")
            }
            if !part.has("rotateAfter") { part.report("rotateAfter", "is missing, as in 90d") }
            return (label, part.rotationAge)
        }
        secrets = [:]
        for case (let name?, let age?) in single { secrets[name] = age }
        allowsDumps = section.choice("dumps", default: Dumps.off) == .on
    }

    package func rotateAfter(_ secret: String) -> Duration? {
        Label(secret).flatMap { secrets[$0] } ?? rotateAfter
    }

    var json: JSON {
        var members: [(String, JSON)] = []
        if let rotateAfter { members.append(("rotateAfter", .string(DurationText.spell(rotateAfter)))) }
        if !secrets.isEmpty {
            members.append(
                (
                    "secrets",
                    .object(
                        secrets.sorted { $0.key < $1.key }.map {
                            ($0.key.text, ["rotateAfter": .string(DurationText.spell($0.value))])
                        })
                ))
        }
        members.append(("dumps", .string(allowsDumps ? "on" : "off")))
        return .object(members)
    }
}

extension ConfigSection {
    fileprivate var rotationAge: Duration? {
        mutating get {
            let range = VaultSettings.rotateAfterRange
            return parsed("rotateAfter", expecting: "a duration from 1h to 3650d, as in 90d") {
                DurationText.parse($0).flatMap { range.contains($0) ? $0 : nil }
            }
        }
    }
}
