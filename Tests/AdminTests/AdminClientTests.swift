import Testing

@testable import Admin

struct AdminClientTests {
    @Test func `what a node says cannot steer a terminal`() {
        #expect(AdminClientError("a\u{1B}[2Jb\nc\u{9B}1m").description == "a [2Jb\nc 1m")
    }

    @Test(arguments: [
        ("ftp://127.0.0.1:7331", "https"), ("gw.example.net:7331", "ssh"), ("http://10.1.2.3:7331", "ssh"),
        ("http://10.1.2.3:7331/", "ssh"), ("somewhere", "HOST:PORT"),
        ("http://127.0.0.1:7331/v1", "HOST:PORT"),
    ])
    func `a token is not sent where it could be read on the way`(address: String, why: String) {
        let error = #expect(throws: AdminClientError.self) { try AdminClient.locate(address: address) }
        #expect(error?.description.contains(why) == true)
    }
}
