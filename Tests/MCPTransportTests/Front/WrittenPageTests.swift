import JSONSlice
import MCPModel
import NIOCore
import Synchronization
import Testing

@testable import MCPTransport

struct WrittenPageTests {
    @Test func `a result is made once for each form, and anew when the endpoint is called otherwise`() {
        let page = WrittenPage(WrittenRoom())
        let made = Mutex<[JSON]>([])
        func ask(_ form: WrittenPage.Form, _ info: JSON?) -> JSON {
            let result = page.result(form, info) {
                let json: JSON = ["info": info ?? .null]
                made.withLock { $0.append(json) }
                return json
            }
            let (body, message) = (result.body(RPCID(7)), result.message(RPCID(7)))
            #expect(body.text == message.text, "both ways out are the same bytes")
            return message["result"] ?? .null
        }
        for _ in 0..<3 { #expect(ask(.modern, "a")["info"]?.string == "a") }
        #expect(ask(.modern, "b")["info"]?.string == "b")
        #expect(ask(.legacy(.v2025_06_18, tellsOfTasks: false), nil) == ["info": .null])
        // Twice of those: `message` is made for whom the kept bytes will not do.
        #expect(made.withLock { $0 }.filter { $0["info"]?.string == "a" }.count == 3)
        #expect(made.withLock { $0 }.filter { $0["info"]?.string == "b" }.count == 1)
    }

    @Test func `where there is no room it is made for each request, and right`() {
        let room = WrittenRoom(max: 10)
        let page = WrittenPage(room)
        for _ in 0..<2 {
            let result = page.result(.modern) { ["a": "longer than that"] }
            #expect(result.written == nil && room.bytes == 0)
            #expect(result.body(RPCID(1)).text == result.message(RPCID(1)).text)
        }
        let short = page.result(.modern) { [:] }
        #expect(short.written != nil && room.bytes == 3, "with the end of the response")
    }
}

extension HTTPBody {
    /// As it goes out.
    fileprivate var text: String {
        var sent = ""
        var rest = ByteBuffer()
        append(to: &rest) { sent += String(buffer: $0) }
        return sent + String(buffer: rest)
    }
}
