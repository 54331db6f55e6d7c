/// Which nodes may know of a server that is not for everybody (`to:`): those enrolled in one of these segments, or under
/// one of these labels.
package struct ServerScope: Hashable, Sendable {
    package var segments: Set<Label>
    package var nodes: Set<Label>

    package init(segments: Set<Label> = [], nodes: Set<Label> = []) {
        self.segments = segments
        self.nodes = nodes
    }

    /// - Parameters:
    ///   - segment: as the node is enrolled.
    ///   - label: as the node is shown: of two nodes enrolled under one label, neither is meant.
    package func contains(segment: Label, label: Label) -> Bool {
        segments.contains(segment) || nodes.contains(label)
    }

    package func contains(_ node: NodeRecord) -> Bool {
        contains(segment: node.segment, label: node.label)
    }
}
