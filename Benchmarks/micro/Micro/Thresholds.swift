import Glibc
import JSONSlice

/// What each benchmark may come to, by its name: a JSON file beside the benchmarks.
struct Thresholds {
    struct Bound {
        let allocations: Double
        let processor: Double

        /// Above what is measured by what machines differ in; allocations are the same everywhere.
        init(above measured: Measured) {
            allocations = (measured.allocations * 10).rounded(.up) / 10
            processor = measured.processor * Self.margin
        }

        init(allocations: Double, processor: Double) {
            self.allocations = allocations
            self.processor = processor
        }

        func holds(_ measured: Measured) -> Bool {
            measured.allocations <= allocations && measured.processor <= processor
        }

        /// Processor time that is not yet a finding: one processor is better at bytes, another at ciphers.
        private static let margin = 1.5
    }

    private var bounds: [(name: String, bound: Bound)] = []

    init() {}

    init(readingFrom path: String) throws {
        for (name, value) in try JSON(validating: Self.contents(of: path)).members {
            guard let allocations = value["allocations"]?.double, let processor = value["processor"]?.double
            else {
                throw FileTrouble(text: "\(path): \"\(name)\" has no numbers `allocations` and `processor`")
            }
            bounds.append((name, Bound(allocations: allocations, processor: processor)))
        }
    }

    subscript(name: String) -> Bound? {
        get { bounds.first { $0.name == name }?.bound }
        set {
            bounds.removeAll { $0.name == name }
            if let newValue { bounds.append((name, newValue)) }
        }
    }

    func write(to path: String) throws {
        let lines = bounds.map { name, bound in
            "    \(JSON.string(name).text): "
                + "{\"allocations\": \(decimal(bound.allocations)), \"processor\": \(decimal(bound.processor))}"
        }
        guard let file = fopen(path, "w") else { throw FileTrouble(text: "\(path) cannot be written") }
        fputs("{\n\(lines.joined(separator: ",\n"))\n}\n", file)
        fclose(file)
    }

    private static func contents(of path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw FileTrouble(text: "\(path) cannot be read") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = fgetc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
        return bytes
    }
}

struct FileTrouble: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
}

/// With three digits that count; a threshold is so far above what was measured that rounding takes nothing from it.
func decimal(_ value: Double) -> String {
    let places = value < 1 ? 1000.0 : value < 10 ? 100 : value < 100 ? 10 : 1
    let rounded = (value * places).rounded() / places
    return rounded == rounded.rounded() ? String(Int(rounded)) : "\(rounded)"
}

func exit(with status: Int32) { Glibc.exit(status) }
