import Catalog
import MartletTestKit
import Testing

@testable import Gateway

struct LaunchSettingsTests {
    private let scratch = Scratch()

    private func settings() -> LaunchSettings {
        LaunchSettings(configuration: .standard, dataFolder: scratch.path)
    }

    @Test func `a port is the first of three`() throws {
        var settings = settings()
        try settings.setPort(9000)
        let listen = settings.configuration.listen
        #expect(listen.mcp.port == 9000 && listen.admin.port == 9001 && listen.mesh?.port == 9002)
        #expect(listen.mcp.host == "127.0.0.1" && listen.mesh?.host == "0.0.0.0")
    }

    @Test(arguments: [(-1, false), (0, false), (1, true), (65_533, true), (65_534, false), (.max, false)])
    func `three ports must fit`(port: Int, fits: Bool) {
        var settings = settings()
        let isTaken = (try? settings.setPort(port)) != nil
        #expect(isTaken == fits)
        #expect((settings.configuration.listen.mcp.port == port) == fits)
    }

    @Test func `a node that only dials out stays so whatever its port`() throws {
        var settings = settings()
        settings.configuration.listen.mesh = nil
        try settings.setPort(9000)
        #expect(settings.configuration.listen.mesh == nil)
    }

    @Test func `a name on the command line is checked, and the nearest good one named`() throws {
        var settings = settings()
        try settings.setName("plant-a")
        #expect(settings.ownLabel == "plant-a")
        let refusal = #expect(throws: Refusal.self) {
            var other = settings
            try other.setName("Plant A!")
        }
        #expect(refusal?.kind == .invalid)
        #expect(refusal?.hint?.contains("plant-a would do") == true)
        #expect(settings.ownLabel == "plant-a")
    }

    @Test func `without a name the host's is made to fit`() {
        let label = settings().ownLabel
        #expect(Label(label.text) == label)
    }

    @Test func `a file is found where the command line says`() throws {
        let file = try scratch.file("martlet.yaml", "node: {name: plant-a, data: /var/lib/somewhere}\n")
        let settings = try LaunchSettings.load(configFile: file)
        #expect(settings.configFile == file)
        #expect(settings.ownLabel == "plant-a")
        #expect(settings.dataFolder == "/var/lib/somewhere")
    }

    @Test func `a relative folder of a server is taken from the file's`() throws {
        let file = try scratch.file(
            "martlet.yaml",
            "servers: {a: {command: x, cwd: data}, b: {command: x, cwd: /srv}, c: {command: x}}\n")
        let folders = try LaunchSettings.load(configFile: file).configuration.servers.map { server in
            guard case .stdio(_, _, _, let directory) = server.transport else { return nil as String? }
            return directory
        }
        #expect(folders == ["\(scratch.path)/data", "/srv", nil])
    }

    @Test(arguments: [
        ("gw.example.net", true), ("gw.example.net:8443", true), ("[fd00::1]", true), ("10.1.2.3:80", true),
        ("https://app.example.net", true), ("vscode-webview://x", true), ("gw example", false),
        ("https://app.example.net/path", false), ("://x", false), ("https://", false), ("", false),
    ])
    func `hosts are names, with a port or not, and whole origins`(host: String, isGood: Bool) {
        let problems = LaunchSettings.problems(
            inConfiguration: "listen: {hosts: [\"\(host)\"]}\n", file: "martlet.yaml")
        #expect(problems.isEmpty == isGood, "\(problems)")
    }

    @Test func `a file that is not there is named`() {
        let refusal = #expect(throws: Refusal.self) {
            try LaunchSettings.load(configFile: "\(scratch.path)/none.yaml")
        }
        #expect(refusal?.kind == .notFound)
        #expect(refusal?.message.contains("none.yaml") == true)
    }

    @Test func `every problem of a file is one line`() {
        let problems = LaunchSettings.problems(
            inConfiguration: "node: {nmae: x}\nnames: {max: 3}\n", file: "martlet.yaml")
        #expect(problems.count == 2)
        #expect(problems.allSatisfy { $0.hasPrefix("martlet.yaml:") })
        #expect(LaunchSettings.problems(inConfiguration: "", file: "martlet.yaml").isEmpty)
    }

    @Test(arguments: [("secret\n", true), ("secret", true), ("\n", false), ("", false)])
    func `a passphrase is the file without its last newline`(text: String, isGood: Bool) throws {
        var settings = settings()
        settings.passphraseFile = try scratch.file("passphrase", text)
        let bytes = (try? settings.passphrase())?.copied()
        #expect(bytes == (isGood ? Array("secret".utf8) : nil))
    }
}
