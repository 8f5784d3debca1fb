/* Scrub: the last net under "no personal data in logs and error texts". Whoever writes a text keeps identity numbers out of it;
 * but a text may quote what somebody typed into the wrong field. This takes out of a finished text what looks like one.
 *
 *   "'division' is '510104190507290029'"  ->  "'division' is '510104********0029'"
 *
 * Found: 18-digit numbers with a date in them (GB 11643 and those built like it, the last may be X), H or M with 8 or 10 digits,
 * passports (one or two letters, 9 characters), 3 letters with 12 digits. Not found: numbers that are part of a longer
 * word (item codes, hashes), so that those stay legible. Pure, in place, the length stays. Any thread.
 */
#ifndef TB_BASE_SCRUB_H
#define TB_BASE_SCRUB_H

void scrub_text(char *text);

/* Mobile numbers (1 and ten digits, alone): all but the last four digits. Apart, because in logs a size may look like one. */
void scrub_phones(char *text);

#endif
