import NIOSSL

/// A throw-away certificate of `localhost` and 127.0.0.1 that signs itself; its key is worth nothing.
enum TestCertificate {
    static let pem = """
        -----BEGIN CERTIFICATE-----
        MIIBbjCCAROgAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAxtYXJ0bGV0
        IHRlc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBcxFTATBgNV
        BAMMDG1hcnRsZXQgdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDxQwYIb
        cAwA0KS50XvG9aTFXq8AtgriSuIhW7dsI+Q7KVm1i4WyR+R3oL4Hj9EUe7aAPBQN
        ZNCHumj+8EZ0+IijTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNV
        HRMBAf8EBTADAQH/MB0GA1UdDgQWBBTNrRxBy6d+s2mFJkWycGZMnQ6zGDAKBggq
        hkjOPQQDAgNJADBGAiEApbOZcZx+MrEroMgl8Qwy0UJk76s0mcOr4nKjh6j/FskC
        IQDLN9+vrJW2c6pazIRYZLCo2lMmbZGJLfA8uBCh7qauUw==
        -----END CERTIFICATE-----
        """

    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3t5OOJXWpBK/2hF0
        /wEPvThsi2GZjaaFddoZDmf/SAKhRANCAAQ8UMGCG3AMANCkudF7xvWkxV6vALYK
        4kriIVu3bCPkOylZtYuFskfkd6C+B4/RFHu2gDwUDWTQh7po/vBGdPiI
        -----END PRIVATE KEY-----
        """

    static func serverContext() throws -> NIOSSLContext {
        let certificates = try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8))
        let key = try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key)))
    }
}
