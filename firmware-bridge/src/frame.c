#include "frame.h"

#include <string.h>

uint16_t frame_crc(const uint8_t *bytes, size_t count)
{
    uint16_t crc = 0xFFFF;
    for (size_t i = 0; i < count; i++) {
        crc ^= (uint16_t)(bytes[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? (uint16_t)(crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

size_t frame_encode(const uint8_t *payload, size_t count, uint8_t *wire)
{
    if (count == 0 || count > FRAME_PAYLOAD_MAX)
        return 0;
    uint8_t whole[FRAME_PAYLOAD_MAX + 2];
    uint16_t crc = frame_crc(payload, count);
    memcpy(whole, payload, count);
    whole[count] = (uint8_t)(crc >> 8);
    whole[count + 1] = (uint8_t)crc;

    size_t length = 0;
    wire[length++] = 0; /* ends whatever noise came before */
    size_t code_at = length++;
    for (size_t i = 0; i < count + 2; i++) {
        if (whole[i] == 0) {
            wire[code_at] = (uint8_t)(length - code_at);
            code_at = length++;
        } else {
            wire[length++] = whole[i];
        }
    }
    wire[code_at] = (uint8_t)(length - code_at);
    wire[length++] = 0;
    return length;
}

size_t frame_decode(uint8_t *coded, size_t count)
{
    if (count > FRAME_CODED_MAX)
        return 0;
    size_t length = 0, at = 0;
    while (at < count) {
        size_t code = coded[at++];
        if (code - 1 > count - at) /* nor can it be 0: that wraps */
            return 0;
        for (size_t i = 1; i < code; i++)
            coded[length++] = coded[at++];
        if (at < count)
            coded[length++] = 0;
    }
    if (length < 3)
        return 0;
    length -= 2;
    uint16_t told = (uint16_t)(coded[length] << 8 | coded[length + 1]);
    return frame_crc(coded, length) == told ? length : 0;
}
