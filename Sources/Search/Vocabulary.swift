import CSearchModel

/// The model's tokens: whole words and parts of words, looked up by their bytes.
///
/// A table of our own over the compiled-in text, made in about a millisecond: a dictionary of 29,523 strings would take
/// fifty times as long and some megabytes.
package struct Vocabulary: Sendable {
    private struct Place {
        var offset: UInt32
        var length: UInt8
    }

    private static let slotCount = 1 << 16

    /// Each token's place in the text; a token's number is its row in the model.
    private let places: [Place]
    /// Open addressing with linear probing; 0 is free, else the token's number and one.
    private let slots: [UInt32]
    /// Bytes of the longest token.
    let lengthMax: Int

    var count: Int { places.count }

    /// The one that is compiled in.
    init() {
        let compiledIn = csearch_vocabulary()
        let text = UnsafeBufferPointer(start: compiledIn.start, count: compiledIn.count)
        var places: [Place] = []
        var slots = [UInt32](repeating: 0, count: Self.slotCount)
        var longest = 0
        var start = 0
        for end in 0...text.count where end == text.count || text[end] == UInt8(ascii: "\n") {
            defer { start = end + 1 }
            guard end > start else { continue }
            places.append(Place(offset: UInt32(start), length: UInt8(clamping: end - start)))
            longest = max(longest, end - start)
            var slot = Self.slot(of: UnsafeBufferPointer(rebasing: text[start..<end]))
            while slots[slot] != 0 { slot = (slot + 1) & (Self.slotCount - 1) }
            slots[slot] = UInt32(places.count)
        }
        self.places = places
        self.slots = slots
        lengthMax = longest
    }

    /// The row of a token; `nil`: there is none.
    func row(of token: UnsafeBufferPointer<UInt8>) -> Int? {
        var slot = Self.slot(of: token)
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            let place = places[number]
            if Int(place.length) == token.count {
                if bytes(of: place).elementsEqual(token) { return number }
            }
            slot = (slot + 1) & (Self.slotCount - 1)
        }
        return nil
    }

    /// The token as it stands in the vocabulary.
    package func text(of row: Int) -> String {
        String(decoding: bytes(of: places[row]), as: UTF8.self)
    }

    private func bytes(of place: Place) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(
            start: csearch_vocabulary().start + Int(place.offset), count: Int(place.length))
    }

    /// FNV-1a.
    private static func slot(of token: UnsafeBufferPointer<UInt8>) -> Int {
        var hash: UInt32 = 2_166_136_261
        for byte in token { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return Int((hash ^ (hash >> 16)) & UInt32(slotCount - 1))
    }
}
