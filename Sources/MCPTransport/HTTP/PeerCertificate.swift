package import FoundationEssentials
import X509

/// The names in a certificate that a client has proved to be its own, and that an authority of ours has signed.
package struct PeerCertificate: Hashable, Sendable {
    /// Subject alternative names of the kind URI, as SPIFFE has them.
    package let uris: [String]
    /// Of the kind DNS.
    package let dnsNames: [String]
    /// The distinguished name, spelled as RFC 4514 has it; `nil` where it is empty.
    package let subject: String?
    /// The last moment at which it is good (RFC 5280 §4.1.2.5). Looked at with each request: the handshake that looked too
    /// may be days ago, or another connection's (resumption).
    package let notAfter: Date

    package init(uris: [String], dnsNames: [String], subject: String?, notAfter: Date) {
        self.uris = uris
        self.dnsNames = dnsNames
        self.subject = subject
        self.notAfter = notAfter
    }

    /// - Returns: `nil` for what cannot be read: whoever shows it then is nobody.
    init?(der: [UInt8]) {
        guard let certificate = try? Certificate(derEncoded: der) else { return nil }
        let names: SubjectAlternativeNames?
        do {
            names = try certificate.extensions.subjectAlternativeNames
        } catch {
            return nil
        }
        var uris: [String] = []
        var dnsNames: [String] = []
        for name in names ?? SubjectAlternativeNames() {
            switch name {
            case .uniformResourceIdentifier(let uri): uris.append(uri)
            case .dnsName(let dns): dnsNames.append(dns)
            default: break
            }
        }
        let subject = certificate.subject.description
        self.init(
            uris: uris, dnsNames: dnsNames, subject: subject.isEmpty ? nil : subject,
            notAfter: certificate.notValidAfter)
    }
}
