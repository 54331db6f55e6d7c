import Audit
import Crypto
import Testing

struct RecordMouldTests {
    @Test(arguments: AuditRecord.Outcome.allCases, [true, false])
    func `a line from the mould is the line of the whole record`(
        outcome: AuditRecord.Outcome, isBare: Bool
    ) {
        var record = AuditRecord.sample(outcome: outcome)
        record.call = "0123456789abcdef0f1e2d3c4b5a6978"
        record.trace = record.call
        record.argumentsDigest = "0a10"
        record.resultDigest = "ff"
        record.assumedBy = "local:admin"
        record.reason = isBare ? nil : "backend_unavailable"
        if isBare {
            (record.virtualServer, record.rule, record.assumedBy, record.path) = (nil, nil, nil, [])
            (record.argumentsDigest, record.resultDigest) = (nil, nil)
        }
        var other = record
        (other.at, other.call, other.trace, other.outcome) = (1, "x", "y", .unknown)
        (other.argumentsBytes, other.resultBytes, other.microseconds) = (9, 9, 9)
        let line = RecordMould(other).line(
            RecordMould.Cast(
                at: record.at, call: (0x0123_4567_89AB_CDEF, 0x0F1E_2D3C_4B5A_6978), outcome: outcome,
                reason: record.reason, bytes: (record.argumentsBytes, record.resultBytes),
                microseconds: record.microseconds),
            arguments: isBare ? nil : [0x0A, 0x10], result: isBare ? nil : [0xFF])
        #expect(
            String(decoding: line, as: UTF8.self)
                == String(decoding: RecordLine(.call(record)).bytes, as: UTF8.self))
    }

    @Test func `a digest is the keyed hash of its bytes alone, whatever was hashed before`() throws {
        let bytes = [UInt8](repeating: 7, count: RecordKey.length)
        let key = try #require(RecordKey(bytes))
        for text in ["", "a", "a", String(repeating: "long ", count: 1_000)] {
            let code = HMAC<SHA256>.authenticationCode(
                for: Array(text.utf8), using: SymmetricKey(data: bytes))
            #expect(key.code(of: Array(text.utf8)[...]) == Array(code))
            #expect(key.digest(of: Array(text.utf8)[...]) == Hexadecimal.text(of: Array(code)))
        }
    }
}
