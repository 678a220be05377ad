/* Registers and bits behind libmodbus: a Modbus stack that shares nothing with ours.
 *
 * modbus_server IMAGE START           TCP on a free port of 127.0.0.1, which it says
 * modbus_server IMAGE START DEVICE    RTU, unit 1, 9600 8N1
 * IMAGE holds holding registers, big-endian; input registers are the same, coils and inputs their lowest bits. Says the bytes of each write from the unit number on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];

static int serve(modbus_t *bus, modbus_mapping_t *map) {
    for (;;) {
        int length = modbus_receive(bus, request);
        if (length == 0) continue; /* not for us */
        if (length < 0) return -1;
        int start = modbus_get_header_length(bus) - 1;
        if (request[start + 1] == 6 || request[start + 1] == 16) {
            int end = start == 0 ? length - 2 : length; /* RTU: without its checksum */
            printf("wrote ");
            for (int i = start; i < end; i++) printf("%02x", request[i]);
            printf("\n");
            fflush(stdout);
        }
        if (modbus_reply(bus, request, length, map) < 0) return -1;
    }
}

int main(int argc, char **argv) {
    FILE *image = fopen(argv[1], "rb");
    static uint8_t bytes[131072];
    size_t count = fread(bytes, 2, 65536, image);
    fclose(image);
    int start = atoi(argv[2]);
    modbus_mapping_t *map = modbus_mapping_new_start_address(start, count, start, count, start, count, start, count);
    for (size_t i = 0; i < count; i++) {
        map->tab_registers[i] = map->tab_input_registers[i] = bytes[2 * i] << 8 | bytes[2 * i + 1];
        map->tab_bits[i] = map->tab_input_bits[i] = bytes[2 * i + 1] & 1;
    }

    if (argc > 3) {
        modbus_t *bus = modbus_new_rtu(argv[3], 9600, 'N', 8, 1);
        modbus_set_slave(bus, 1);
        if (modbus_connect(bus) < 0) return 1;
        printf("port 0\n");
        fflush(stdout);
        for (;;) serve(bus, map);
    }
    modbus_t *bus = modbus_new_tcp("127.0.0.1", 0);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0) return 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        modbus_tcp_accept(bus, &listener);
        serve(bus, map);
        modbus_close(bus);
    }
}
