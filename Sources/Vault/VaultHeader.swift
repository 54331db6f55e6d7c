/// What must be read before a vault can be opened, and what holds its rows together.
///
/// Format 1, all integers big-endian: format (1), vault id (16), node id (16), generation (4), counter (8),
/// index code (32), number of slots (1), slots, HMAC-SHA256 of all before it (32). Format 2 has between slots and code: the oldest
/// generation (4), number of retired roots (1), retired roots; it is written where format 1 cannot say it. The code is checked once
/// a slot has given up the root; until then nothing in here is believed but the slots' own parameters.
package struct VaultHeader: Hashable, Sendable {
    static let format: UInt8 = 1
    static let laterFormat: UInt8 = 2
    /// A person's passphrase, a key file, a service manager's credential, each while being replaced.
    package static let slotsMax = 8
    /// Roots that rows still need; another change of the root waits until rows are wrapped anew.
    package static let retiredMax = 8

    package let place: VaultPlace
    /// Under which new records are sealed; counts from 1.
    package internal(set) var generation: UInt32
    /// One more at every change, for good; peers remember it, which is how a rollback shows.
    package internal(set) var counter: UInt64
    /// Over all rows; see ``VaultKeyring/indexCode(of:counter:)``.
    var indexCode: [UInt8]
    package internal(set) var slots: [KeySlot]
    /// No record of an earlier generation is taken: all were wrapped anew.
    package internal(set) var oldest: UInt32 = 1
    /// Roots before this one that records still need, oldest first.
    var retired: [RetiredRoot] = []

    package var retiredCount: Int { retired.count }
    package func hasSlot(_ form: KeySlot.Form) -> Bool { slots.contains { $0.form == form } }

    /// The version of a record that is sealed in the change now being made: what the counter will be, so that
    /// no version of a name comes twice, removed and set again or not.
    package func nextVersion() throws(VaultError) -> UInt64 {
        guard counter < UInt64.max else { throw .counterExhausted }
        return counter + 1
    }
}

extension VaultHeader {
    var unsignedBytes: [UInt8] {
        var writer = VaultWriter()
        let isPlain = oldest == 1 && retired.isEmpty && !hasSlot(.service)
        writer.integer(isPlain ? Self.format : Self.laterFormat)
        writer.fixed(place.vault)
        writer.fixed(place.node)
        writer.integer(generation)
        writer.integer(counter)
        writer.fixed(indexCode)
        writer.integer(UInt8(slots.count))
        for slot in slots { slot.encode(into: &writer) }
        if !isPlain {
            writer.integer(oldest)
            writer.integer(UInt8(retired.count))
            for root in retired { root.encode(into: &writer) }
        }
        return writer.bytes
    }

    /// Reads a header without believing it yet.
    ///
    /// - Returns: the header, and the code that ``VaultKeyring`` checks.
    static func decode(_ bytes: [UInt8]) throws(VaultError) -> (header: VaultHeader, code: [UInt8]) {
        var reader = VaultReader(bytes, of: .header)
        let format = try reader.integer(UInt8.self)
        guard [Self.format, Self.laterFormat].contains(format) else { throw .unknownFormat(.header, format) }
        let place = VaultPlace(
            vault: try reader.fixed(VaultPlace.idBytes), node: try reader.fixed(VaultPlace.idBytes))
        let generation = try reader.integer(UInt32.self)
        let counter = try reader.integer(UInt64.self)
        let indexCode = try reader.fixed(MAC.bytes)
        let count = Int(try reader.integer(UInt8.self))
        guard generation > 0, (1...slotsMax).contains(count) else { throw .malformed(.header) }
        var slots: [KeySlot] = []
        for _ in 0..<count { slots.append(try KeySlot(reading: &reader)) }
        var (oldest, retired) = (UInt32(1), [RetiredRoot]())
        if format == Self.laterFormat {
            oldest = try reader.integer(UInt32.self)
            let count = Int(try reader.integer(UInt8.self))
            guard (1...generation).contains(oldest), count <= retiredMax else { throw .malformed(.header) }
            for _ in 0..<count { retired.append(try RetiredRoot(reading: &reader)) }
        }
        let code = try reader.fixed(MAC.bytes)
        try reader.finish()
        let header = VaultHeader(
            place: place, generation: generation, counter: counter, indexCode: indexCode, slots: slots,
            oldest: oldest, retired: retired)
        return (header, code)
    }

    /// What a header says of itself before the vault is open: good for choosing how to open it, no more.
    package static func peek(_ bytes: [UInt8]) throws(VaultError) -> VaultHeader { try decode(bytes).header }
}
