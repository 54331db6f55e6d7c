import Mesh

extension LinkHandler: StreamCarrier {
    var takesMore: Bool { channel?.isWritable ?? false }

    func carry(_ frame: Frame) {
        setup.tally.streamFrameSent()
        write(frame)
    }

    func carryData(_ stream: StreamID, kind: UInt8, isLast: Bool, _ bytes: ArraySlice<UInt8>) {
        setup.tally.streamFrameSent()
        write { Frame.encodeData(stream, kind: kind, isLast: isLast, bytes, to: &$0) }
    }

    func opened(_ stream: LinkStream, _ kind: StreamKind, header: [UInt8]) {
        owner?.opened(stream, kind, header: header, on: self)
    }
}
