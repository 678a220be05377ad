/* Frames of PROTOCOL.md: COBS between zero bytes, CRC-16 at the end. Pure: no I/O, no memory of its own. */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_PAYLOAD_MAX = 62,                     /* header and body [bytes] */
    FRAME_CODED_MAX = FRAME_PAYLOAD_MAX + 2 + 1, /* with CRC and the one byte that COBS adds below 254 */
    FRAME_WIRE_MAX = FRAME_CODED_MAX + 2,        /* with a zero at either end */
};

/* CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected. */
uint16_t frame_crc(const uint8_t *bytes, size_t count);

/* Write the frame of a payload to wire (FRAME_WIRE_MAX bytes); returns its length, 0 where the payload is too long. */
size_t frame_encode(const uint8_t *payload, size_t count, uint8_t *wire);

/* Turn what stood between two zeros into its payload, in place; returns its length, 0 where it is damaged. */
size_t frame_decode(uint8_t *coded, size_t count);

#endif
