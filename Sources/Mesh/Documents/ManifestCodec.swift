package import Catalog
import JSONSlice

/// Manifest ⇄ bytes. The hash of the bytes names the manifest in its server's document.
package enum ManifestCodec {
    /// Largest encoded manifest.
    package static let bytesMax = 32 * 1024 * 1024
    /// A manifest travels in pages of this size: as long as any other chunk on a link (``Frame/chunkBytes``).
    package static let pageBytes = 16 * 1024
    /// Of a server's instructions, capabilities and info, each.
    package static let partMax = 256 * 1024

    package static func pageCount(bytes: Int) -> Int { (bytes + pageBytes - 1) / pageBytes }

    /// - Complexity: O(bytes).
    package static func encode(_ manifest: Manifest) throws(WireError) -> [UInt8] {
        guard max(manifest.entries.count, manifest.pending.count) <= Manifest.entriesMax else {
            throw .tooLong("the list of entries", max: Manifest.entriesMax)
        }
        for part in [
            manifest.capabilities.bytes.count, manifest.serverInfo.bytes.count,
            manifest.instructions?.utf8.count ?? 0,
        ] where part > partMax {
            throw .tooLong("capabilities, server info or instructions", max: partMax)
        }
        let size = (manifest.entries + manifest.pending).reduce(0) { $0 + $1.definition.bytes.count + 5 }
        var encoder = CanonicalEncoder(reserving: size + 1024)
        encoder.put(bytes: manifest.capabilities.bytes)
        encoder.put(bytes: manifest.serverInfo.bytes)
        encoder.put(manifest.instructions != nil)
        if let instructions = manifest.instructions { encoder.put(text: instructions) }
        put(manifest.entries, to: &encoder)
        // Where nothing waits nothing is written, so that such a manifest has the name that it always had.
        if !manifest.pending.isEmpty { put(manifest.pending, to: &encoder) }
        guard encoder.bytes.count <= bytesMax else { throw .tooLong("the manifest", max: bytesMax) }
        return encoder.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(WireError) -> Manifest {
        guard bytes.count <= bytesMax else { throw .tooLong("the manifest", max: bytesMax) }
        var decoder = CanonicalDecoder(bytes[...])
        let capabilities = try decoder.json(max: partMax, "capabilities")
        let serverInfo = try decoder.json(max: partMax, "server info")
        let instructions =
            try decoder.bool("instructions") ? try decoder.text(max: partMax, "instructions") : nil
        let entries = try entries(from: &decoder)
        var pending: [Entry] = []
        if decoder.bytesLeft > 0 {
            pending = try Self.entries(from: &decoder)
            guard !pending.isEmpty else { throw .invalid("waiting entries") }
        }
        try decoder.finish()
        return Manifest(
            entries: entries, pending: pending, instructions: instructions, capabilities: capabilities,
            serverInfo: serverInfo)
    }

    private static func put(_ entries: [Entry], to encoder: inout CanonicalEncoder) {
        encoder.put(count: entries.count)
        for entry in entries {
            encoder.put(entry.kind.rawValue)
            encoder.put(bytes: entry.definition.bytes)
        }
    }

    private static func entries(from decoder: inout CanonicalDecoder) throws(WireError) -> [Entry] {
        var entries: [Entry] = []
        for _ in 0..<(try decoder.count(max: Manifest.entriesMax, "entries")) {
            guard let kind = EntryKind(rawValue: try decoder.byte("entry kind")) else {
                throw .invalid("entry kind")
            }
            let definition = try decoder.json(max: Entry.bytesMax, "definition")
            guard let entry = Entry(kind: kind, definition: definition) else { throw .invalid("definition") }
            entries.append(entry)
        }
        return entries
    }
}
