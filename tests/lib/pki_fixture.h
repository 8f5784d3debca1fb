/* A federation's CA and its nodes' files in a folder of their own, made for one test and removed after it. Every failure
 * to make them ends the test. */
#ifndef TB_TESTS_PKI_FIXTURE_H
#define TB_TESTS_PKI_FIXTURE_H

#include "certs/ca.h"

#define PKI_FIXTURE_PATH_SIZE 256
#define PKI_FIXTURE_FEDERATION "tongban.example"

struct pki_fixture {
    char dir[64];
    char ca_path[PKI_FIXTURE_PATH_SIZE];
    char crl_path[PKI_FIXTURE_PATH_SIZE];
    uint64_t now_s;
};

struct pki_fixture_node {
    uint32_t code;
    char cert_path[PKI_FIXTURE_PATH_SIZE];
    char key_path[PKI_FIXTURE_PATH_SIZE];
    char serial[PKI_SERIAL_TEXT_SIZE];
};

void pki_fixture_open(struct pki_fixture *f);
void pki_fixture_close(struct pki_fixture *f);

/* Issues a certificate valid from @from_s to @to_s, counted from now; @label names the files. A second call with the same
 * label renews: same key, new certificate, other serial. */
void pki_fixture_issue(struct pki_fixture *f, const char *label, uint32_t code, const char *name, int64_t from_s,
                       int64_t to_s, struct pki_fixture_node *ret);
void pki_fixture_revoke(struct pki_fixture *f, const struct pki_fixture_node *node);
/* The CA's folder; "@dir/@name" into @out for other files. */
void pki_fixture_path(const struct pki_fixture *f, const char *name, char out[PKI_FIXTURE_PATH_SIZE]);

#endif
