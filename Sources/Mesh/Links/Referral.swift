/// Where a node without a free place sends a newcomer: the text of ``GoodbyeReason/full``.
package struct Referral: Hashable, Sendable {
    package static let addressesMax = 4

    package let addresses: [String]

    package init(_ addresses: [String]) { self.addresses = Array(addresses.prefix(Self.addressesMax)) }

    /// Reads another node's; what is too long for an address, or comes after the fourth, is left out.
    package init(text: String) {
        self.init(
            text.split(separator: " ").map(String.init).filter { $0.utf8.count <= NodeBody.addressMax })
    }

    /// Whole addresses only, as many as a goodbye carries.
    package var text: String {
        var text = ""
        for address in addresses where text.utf8.count + 1 + address.utf8.count <= Frame.textMax {
            text += text.isEmpty ? address : " " + address
        }
        return text
    }
}
