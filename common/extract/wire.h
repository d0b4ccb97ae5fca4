/* wire.h - what a daemon and congvu-extract say to each other.
 *
 * On the socket between them (SOCK_SEQPACKET, the program's descriptor 0): first one message from
 * the program, its ability as text; then one from the daemon for each document, CV_EXTRACT_ASK with
 * one descriptor. On that descriptor (a stream): the document and the end of writing; back come
 * CV_EXTRACT_STARTED when a process took it, and at the end the outcome (1 octet), the length (4
 * octets, big-endian) and the text.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_EXTRACT_WIRE_H
#define CV_EXTRACT_WIRE_H

#define CV_EXTRACT_ASK     "extract 1"
#define CV_EXTRACT_STARTED 'S'
#define CV_EXTRACT_HEAD    5u

#define CV_EXTRACT_CPU_SECS 5u /* of one document */
#define CV_EXTRACT_WALL_MS  15000u
#define CV_EXTRACT_MEMORY   (256u << 20) /* beside what the program has at its start */

#endif
