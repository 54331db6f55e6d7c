/// What a person said of how tokens for one backend are got (RFC 6749 §4.4, client credentials).
package struct GrantSettings: Hashable, Sendable {
    package enum Proof: Hashable, Sendable {
        /// A secret that client and authorization server share.
        case secret
        /// A private key of the client's (RFC 7523 §2.2, `private_key_jwt`), and its name there.
        case key(id: String?)
    }

    package var resource: WebAddress
    /// The only authorization server that the credential goes to, as it spells itself; `nil`: nobody has chosen one yet.
    package var issuer: String?
    package var clientID: String
    package var proof: Proof
    /// Empty: those that the resource says it needs.
    package var scopes: [String]

    package init(resource: WebAddress, issuer: String?, clientID: String, proof: Proof, scopes: [String] = [])
    {
        self.resource = resource
        self.issuer = issuer
        self.clientID = clientID
        self.proof = proof
        self.scopes = scopes
    }
}
