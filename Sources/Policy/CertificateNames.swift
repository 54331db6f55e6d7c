package import MCPModel

/// The names in a client's certificate, whose authority and key the listener has checked.
package struct CertificateNames: Hashable, Sendable {
    /// The issuer of callers that come by certificate.
    package static let issuer = "certificate"
    private static let nameBytesMax = 512

    package var uris: [String]
    package var dnsNames: [String]
    /// The distinguished name (RFC 4514).
    package var subject: String?

    package init(uris: [String], dnsNames: [String], subject: String?) {
        self.uris = uris
        self.dnsNames = dnsNames
        self.subject = subject
    }

    /// Who shows the certificate: its one URI (as SPIFFE has it), else its one DNS name, else its subject. `nil` where it has several
    /// of a kind and so names nobody, or none that can be kept.
    ///
    /// The kinds cannot be taken for one another: a URI has a colon before any `=`, a subject an `=` first, a DNS name neither.
    package var caller: Caller? {
        let name: String?
        if !uris.isEmpty {
            name = uris.count == 1 && Self.startsWithScheme(uris[0]) ? uris[0] : nil
        } else if !dnsNames.isEmpty {
            // Names of hosts know no case.
            name =
                dnsNames.count == 1 && !dnsNames[0].contains(where: { "=:".contains($0) })
                ? dnsNames[0].lowercased() : nil
        } else {
            name = subject
        }
        guard let name, (1...Self.nameBytesMax).contains(name.utf8.count),
            name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { return nil }
        return Caller(issuer: Self.issuer, subject: name)
    }

    private static func startsWithScheme(_ uri: String) -> Bool {
        guard let colon = uri.firstIndex(of: ":"), colon != uri.startIndex else { return false }
        return uri[..<colon].utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0)
                || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
        }
    }
}
