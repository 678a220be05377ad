/* Arduino Nano (ATmega328P, 16 MHz, USB by its CH340 or FT232): 115,200 baud on USART 0.
 *
 * Contacts 1-4 between D2-D5 and GND (pull-ups inside; closed reads low). Outputs 1, 2 at D8, D9 (high while driven).
 * A 10 kOhm resistor from each output to GND keeps the relay off while the chip starts or is dead. */
#include "hal.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/wdt.h>
#include <util/atomic.h>

enum { CONTACTS = 4, OUTPUTS = 2, RING = 128, FIRST_CONTACT = 2 /* PD2 */ };

static volatile uint32_t uptime_ms;
static volatile uint8_t ring[RING], ring_head;
static uint8_t ring_tail, cause;

ISR(TIMER0_COMPA_vect)
{
    uptime_ms++;
}

ISR(USART_RX_vect)
{
    uint8_t byte = UDR0, next = (uint8_t)((ring_head + 1) % RING);
    if (next != ring_tail) { /* what does not fit is lost; the frame's CRC tells */
        ring[ring_head] = byte;
        ring_head = next;
    }
}

struct bridge_board hal_start(void)
{
    cause = MCUSR;
    MCUSR = 0;
    wdt_enable(WDTO_1S);
    PORTB = 0;
    DDRB = (1 << OUTPUTS) - 1;
    PORTD = (uint8_t)(((1 << CONTACTS) - 1) << FIRST_CONTACT);
    TCCR0A = 1 << WGM01;              /* counts to OCR0A */
    TCCR0B = 1 << CS01 | 1 << CS00;   /* 16 MHz / 64 */
    OCR0A = 249;                      /* 250 steps are 1 ms */
    TIMSK0 = 1 << OCIE0A;
    UCSR0A = 1 << U2X0;
    UBRR0 = 16;                       /* 117,647 baud: 2.1 % off 115,200, as every Nano is */
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    sei();
    uint8_t reset = cause & 1 << WDRF ? BRIDGE_RESET_WATCHDOG : cause & 1 << PORF ? BRIDGE_RESET_POWER : BRIDGE_RESET_OTHER;
    return (struct bridge_board){.input_count = CONTACTS, .output_count = OUTPUTS, .reset_cause = reset};
}

uint32_t hal_uptime_ms(void)
{
    uint32_t now_ms;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
        now_ms = uptime_ms;
    return now_ms;
}

uint8_t hal_inputs(void)
{
    return (uint8_t)(~PIND >> FIRST_CONTACT) & ((1 << CONTACTS) - 1);
}

void hal_outputs(uint8_t driven)
{
    PORTB = driven & ((1 << OUTPUTS) - 1);
}

int hal_receive(void)
{
    if (ring_tail == ring_head)
        return -1;
    uint8_t byte = ring[ring_tail];
    ring_tail = (uint8_t)((ring_tail + 1) % RING);
    return byte;
}

void hal_send(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) { /* a frame takes 2 ms at most, the watchdog waits for 1000 */
        while (!(UCSR0A & 1 << UDRE0))
            ;
        UDR0 = bytes[i];
    }
}

void hal_alive(void)
{
    wdt_reset();
}
