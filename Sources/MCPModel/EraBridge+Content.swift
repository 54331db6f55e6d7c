package import JSONSlice

/// What tools and prompts say, on its way down to older revisions.
extension EraBridge {
    /// A content block as the revision knows it: what it cannot show becomes a text that says what was there.
    ///
    /// - `resource_link` is known from 2025-06-18, audio from 2025-03-26, icons from 2025-11-25.
    package static func legacyContent(fromModern block: JSON, revision: ProtocolRevision) -> JSON {
        switch block["type"]?.string {
        case "resource_link" where revision < .v2025_06_18:
            return text(block["uri"]?.string ?? "", insteadOf: block)
        case "resource_link" where revision < .v2025_11_25: return block.removing("icons")
        case "audio" where revision < .v2025_03_26:
            let type = block["mimeType"]?.string ?? "unknown type"
            return text("[audio (\(type)) left out: MCP 2024-11-05 cannot carry it]", insteadOf: block)
        default: return block
        }
    }

    /// `structuredContent` is unknown before 2025-06-18 and must be an object until 2025-11-25. Where it goes and
    /// no other content is there, its text takes its place, so that nothing is lost.
    static func legacyToolResult(_ result: JSON, revision: ProtocolRevision) -> JSON {
        guard revision.era == .legacy else { return result }
        var legacy = result.mappingElements(of: "content") {
            legacyContent(fromModern: $0, revision: revision)
        }
        guard let structured = legacy["structuredContent"],
            revision < .v2025_06_18 || structured.kind != .object
        else { return legacy }
        legacy = legacy.removing("structuredContent")
        guard legacy["content"]?.elements.isEmpty ?? true else { return legacy }
        return legacy.setting("content", to: [["type": "text", "text": .string(structured.text)]])
    }

    private static func text(_ text: String, insteadOf block: JSON) -> JSON {
        let replacement: JSON = ["type": "text", "text": .string(text)]
        return block["annotations"].map { replacement.setting("annotations", to: $0) } ?? replacement
    }
}
