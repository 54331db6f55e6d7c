import Audit
package import Composition
import JSONSlice
import MCPModel
package import Policy

/// What a server, a tool or a rule wants of the record of a call.
package enum AuditDemand: String, Hashable, Sendable, CaseIterable {
    /// It is written after the call, which waits for nothing.
    case buffered
    /// No intent on stable storage, no call.
    case required
}

/// What is written down of calls (docs/reference/records.md).
package struct AuditSettings: Hashable, Sendable {
    package static let valuesMax = 256

    /// `records: on | off`
    package var isOn: Bool
    /// Entries whose arguments and results may be kept as they are.
    package var values: [EntryPattern]
    /// Bytes of records that are kept.
    package var keep: Int

    package static let standard: AuditSettings = {
        var section = ConfigSection(.emptyObject)
        return AuditSettings(reading: &section)
    }()

    private enum Records: String, CaseIterable {
        case on
        case off
    }

    package init(reading section: inout ConfigSection) {
        isOn = section.choice("records", default: Records.on) == .on
        values = section.list(
            "values", of: "a pattern for entries, such as get_* or erp/get_*", atMost: Self.valuesMax
        ) {
            $0.isEmpty ? nil : EntryPattern($0)
        }
        keep = section.byteCount("keep", default: RecordRotation.keepDefault, in: RecordRotation.keepRange)
    }

    var json: JSON {
        [
            "records": .string(isOn ? "on" : "off"), "values": .array(values.map { .string($0.text) }),
            "keep": .string(ByteCount.spell(keep)),
        ]
    }
}
