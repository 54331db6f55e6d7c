import FoundationEssentials
import Glibc

/// One kind of bytes from outside, and what is claimed of whoever reads them.
///
/// A claim that does not hold stops the process, and libFuzzer keeps the input.
struct FuzzTarget: Sendable {
    /// As `scripts/fuzz` and the folders of the corpus have it.
    let name: String
    /// Bytes of an input: more only makes the search slower, where the grammar repeats itself.
    var bytesMax = 4096
    let run: @Sendable ([UInt8]) -> Void

    static let all = [
        httpRequest, httpResponse, httpText, json, frames, mcpMessages, mcpHeaders, eventStream, meshFrames,
        meshValues,
        meshCore, joins, tokens, grants, translate, vault, selection, discovery,
    ]

    /// The one that `MARTLET_FUZZ` names.
    static let chosen: FuzzTarget = {
        let name = ProcessInfo.processInfo.environment["MARTLET_FUZZ"] ?? ""
        guard let target = all.first(where: { $0.name == name }) else {
            refuse("no target \"\(name)\"; MARTLET_FUZZ is one of \(all.map(\.name).joined(separator: " "))")
        }
        return target
    }()
}

/// What must hold whatever the input is.
func claim(
    _ isTrue: Bool, _ what: @autoclosure () -> String, line: UInt = #line, file: StaticString = #fileID
) {
    guard !isTrue else { return }
    refuse("\(file):\(line): it does not hold that \(what())")
}

func refuse(_ why: String) -> Never {
    FileHandleText.write(why + "\n")
    abort()
}

enum FileHandleText {
    static func write(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
    }
}

/// The processor time that one input took, which the load of the machine has no part in.
enum InputClock {
    /// What one input may take: the promise is 100 ms, and that of an optimised build without checks.
    static let max = Duration.milliseconds(100)

    static var now: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let target = FuzzTarget.chosen
    guard count <= target.bytesMax else { return -1 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let began = InputClock.now
    target.run(input)
    let took = InputClock.now - began
    claim(took < InputClock.max, "\(target.name) takes less than \(InputClock.max): it took \(took)")
    return 0
}

/// `MARTLET_FUZZ_UNPACK=FILE:FOLDER` writes each line of a packed corpus to a file of its own, `MARTLET_FUZZ_PACK` does the
/// reverse, and `MARTLET_FUZZ_LIST` prints the names of all targets; then the process ends.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeRawPointer?) -> CInt {
    let environment = ProcessInfo.processInfo.environment
    if environment["MARTLET_FUZZ_LIST"] != nil {
        let names = FuzzTarget.all.map { $0.name + "\n" }.joined()
        _ = Array(names.utf8).withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
        exit(0)
    }
    do {
        if let places = environment["MARTLET_FUZZ_UNPACK"] {
            try Corpus.unpack(places)
            exit(0)
        }
        if let places = environment["MARTLET_FUZZ_PACK"] {
            try Corpus.pack(places)
            exit(0)
        }
    } catch {
        refuse("the corpus cannot be moved: \(error)")
    }
    _ = FuzzTarget.chosen
    return 0
}
