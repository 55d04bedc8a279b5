"""An encoder of lossless JPEG (ITU-T T.81, process 14, selection value 1), for tests alone."""

import struct


def lossless_jpeg(image):
    """A grey image of 12 bits, each pixel predicted by its left neighbour."""
    rows, columns = image.shape
    # One code of five bits for each of the 17 categories of differences: none is all ones.
    table = bytes([0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)])[1:]
    head = b"\xff\xd8\xff\xc3" + struct.pack(">HBHHBBBB", 11, 12, rows, columns, 1, 1, 0x11, 0)
    head += b"\xff\xc4" + struct.pack(">HB", 2 + 1 + len(table), 0) + table
    head += b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0)
    bits = []
    for row in range(rows):
        former = int(image[row - 1, 0]) if row else 1 << 11
        for pixel in image[row].tolist():
            step, former = pixel - former, pixel
            size = abs(step).bit_length()
            bits.append(f"{size:05b}")
            if size:
                bits.append(f"{step if step > 0 else step + (1 << size) - 1:0{size}b}")
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    packed = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\x00")
    return head + packed + b"\xff\xd9"
