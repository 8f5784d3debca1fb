/* In which role this node writes an event (see app_command.h). Pure; loop thread.
 *
 * A case of 全程网办 was handed in by its applicant through a portal (国办发〔2020〕35号: 申请受理、审查决定、颁证送达 all online): no window saw
 * it, so what the applicant does stands in the applicant's name, and what the portal and this node check or send on by themselves in
 * the system's. A clerk still gives back, notes and objects as a window.
 */
#include "node/app_command.h"

/* By the portal of the receiving node; 0: as everywhere else. */
static uint16_t online_role(uint16_t type, uint8_t channel)
{
    switch (type) {
    case CASE_EVENT_SUBMIT:
    case CASE_EVENT_SUPPLEMENT:
    case CASE_EVENT_SUPPLY:
    case CASE_EVENT_MATERIAL:
    case CASE_EVENT_POST_MATERIALS:
    case CASE_EVENT_PAY:
        return CASE_ROLE_APPLICANT;
    case CASE_EVENT_IDENTITY:
    case CASE_EVENT_FORM:
    case CASE_EVENT_FORWARD:
    case CASE_EVENT_NOTIFY:
    case CASE_EVENT_CHARGE:
        return CASE_ROLE_SYSTEM;
    case CASE_EVENT_DELIVER: /* fetched at a window after all: the window's */
        return channel == CASE_CHANNEL_WINDOW ? 0 : CASE_ROLE_SYSTEM;
    default:
        return 0;
    }
}

uint16_t app_receiving_role(uint8_t mode, uint16_t type, uint8_t channel)
{
    uint16_t role = mode == CASE_MODE_ONLINE ? online_role(type, channel) : 0;
    return role != 0 ? role : CASE_ROLE_WINDOW;
}

uint16_t app_event_role(uint32_t self, const struct case_state *s, uint16_t type, uint8_t channel)
{
    switch (type) {
    case CASE_EVENT_WITHDRAW:
    case CASE_EVENT_EVALUATE:
        return CASE_ROLE_APPLICANT;
    case CASE_EVENT_SUBMIT:
    case CASE_EVENT_IDENTITY:
    case CASE_EVENT_FORM:
    case CASE_EVENT_FORWARD:
    case CASE_EVENT_RETURN:
    case CASE_EVENT_SUPPLEMENT:
    case CASE_EVENT_SUPPLY:
    case CASE_EVENT_PART:
    case CASE_EVENT_PART_DONE:
    case CASE_EVENT_PART_LAPSED:
    case CASE_EVENT_POST_MATERIALS:
        return app_receiving_role(s->mode, type, channel);
    case CASE_EVENT_RECEIPT: /* gives the case its number: the node's act, whoever asks for it */
        return CASE_ROLE_SYSTEM;
    case CASE_EVENT_SUPERVISE:
        return CASE_ROLE_SUPERVISOR;
    default: /* deliver, note, object and material also at the receiving side; the rest is refused there by the rules */
        return s->lead == self ? CASE_ROLE_DECIDER : app_receiving_role(s->mode, type, channel);
    }
}
