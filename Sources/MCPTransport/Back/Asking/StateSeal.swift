/// Seals what a caller carries for us and must neither read nor change.
///
/// MCPTransport has no cryptography of its own: whoever runs it hands this in. What is sealed opens only with
/// the same context, and only for whoever sealed it, in the same life.
package struct StateSeal: Sendable {
    package var seal: @Sendable (_ content: [UInt8], _ context: [UInt8]) -> [UInt8]?
    /// `nil` for anything but what ``seal`` made of the same context.
    package var open: @Sendable (_ sealed: [UInt8], _ context: [UInt8]) -> [UInt8]?

    package init(
        seal: @escaping @Sendable (_ content: [UInt8], _ context: [UInt8]) -> [UInt8]?,
        open: @escaping @Sendable (_ sealed: [UInt8], _ context: [UInt8]) -> [UInt8]?
    ) {
        self.seal = seal
        self.open = open
    }
}
