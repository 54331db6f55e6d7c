import MCPModel
import Testing

struct TraceContextTests {
    @Test(arguments: [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-holds",
    ])
    func `a client's trace is kept as it is`(text: String) {
        #expect(TraceContext(text)?.trace == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(TraceContext(text)?.traceparent == text)
    }

    /// Of the standard's own examples of what a receiver ignores.
    @Test(arguments: [
        "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-" + String(repeating: "x", count: 100),
    ])
    func `a trace that is none is not taken`(text: String) {
        #expect(TraceContext(text) == nil)
    }

    @Test(arguments: [
        CallID(high: 1, low: 2), CallID(high: .max, low: .max), CallID(high: 1, low: 0),
        CallID(high: 0, low: 0),
    ])
    func `a call without one begins one that others take`(call: CallID) {
        let begun = TraceContext(begunBy: call)
        #expect(TraceContext(begun.traceparent) == begun)
        if call.high != 0 { #expect(begun.trace == call.description) }
    }
}
