/* The daemon's API over libcurl (see client.h). */
#include "node/ctl/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

struct taking {
    CURL *curl;
    const struct client_request *request;
    struct buf *text;
};

static size_t take_cb(char *data, size_t size, size_t count, void *ctx)
{
    const struct taking *t = ctx;
    long status = 0;
    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->request->sink != NULL && status >= 200 && status < 300)
        return t->request->sink(t->request->ctx, data, size * count) ? size * count : 0;
    buf_put(t->text, data, size * count);
    return t->text->failed ? 0 : size * count; /* 0 makes libcurl stop with an error */
}

static struct curl_slist *header_add(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);
    xassert(longer != NULL);
    return longer;
}

static void set_options(CURL *curl, const struct client_request *r, const char *socket, const char *url,
                        struct curl_slist *headers, struct taking *taking)
{
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    long timeout_ms = (long)(r->timeout_ms > 0 ? r->timeout_ms : CLIENT_TIMEOUT_MS);
    if (r->sink == NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    } else { /* as long as something comes */
        (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, timeout_ms / 1000);
    }
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_cb);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, taking);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (strcmp(r->method, "POST") == 0 || strcmp(r->method, "PATCH") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body.size > 0 ? (const char *)r->body.data : "");
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.size);
    }
    if (strcmp(r->method, "PATCH") == 0 || strcmp(r->method, "DELETE") == 0)
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
    if (r->sink != NULL && r->offset > 0)
        (void)curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)r->offset);
}

/* The connection went away between request and answer: whether it was done, nobody knows. */
static bool is_lost(CURLcode code)
{
    return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
           code == CURLE_PARTIAL_FILE;
}

static int transport_error(CURLcode code, const char *socket, struct err *e)
{
    int rc;
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        rc = err_set(e, ERR_CLOSED, "ctl.no-daemon", "no node answers on '%.200s'", socket);
        err_hint(e, "is tongband running there? --dir or TONGBAN_DIR names the node's folder");
        return rc;
    case CURLE_OPERATION_TIMEDOUT:
        rc = err_set(e, ERR_TIMEOUT, "ctl.timeout", "the node did not answer in time");
        err_hint(e, "the command may still take effect: look before you repeat it");
        return rc;
    case CURLE_WRITE_ERROR:
        return err_set(e, ERR_LIMIT, "ctl.reply-size", "the answer is larger than the limit of %u bytes",
                       CLIENT_REPLY_BYTES_MAX);
    default:
        return err_set(e, ERR_IO, "ctl.connection", "the connection to the node failed: %s", curl_easy_strerror(code));
    }
}

static int code_of(const char *name)
{
    if (name != NULL)
        for (int code = ERR_INVALID; code >= ERR_INTERNAL; code--)
            if (strcmp(err_name(code), name) == 0)
                return code;
    return ERR_INTERNAL;
}

/* The error body {code, id, message, hint} as it was in the daemon. */
static int daemon_error(long status, const struct client_reply *reply, struct err *e)
{
    const char *message = yyjson_get_str(yyjson_obj_get(reply->root, "message"));
    const char *id = yyjson_get_str(yyjson_obj_get(reply->root, "id"));
    const char *hint = yyjson_get_str(yyjson_obj_get(reply->root, "hint"));
    if (message == NULL || id == NULL)
        return err_set(e, ERR_IO, "ctl.reply", "the node answered with status %ld and no explanation", status);
    int rc = err_set(e, code_of(yyjson_get_str(yyjson_obj_get(reply->root, "code"))), id, "%s", message);
    if (hint != NULL && hint[0] != '\0')
        err_hint(e, "%s", hint);
    return rc;
}

static int take_reply(CURL *curl, struct client_reply *reply, struct err *e)
{
    long status = 0;
    const char *type = NULL;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    if (type != NULL && strncmp(type, "application/json", 16) == 0) {
        reply->doc = yyjson_read((const char *)reply->text.data, reply->text.size, YYJSON_READ_NOFLAG);
        reply->root = yyjson_doc_get_root(reply->doc);
        if (reply->root == NULL)
            return err_set(e, ERR_IO, "ctl.reply", "the node's answer is no JSON");
    }
    if (status < 200 || status >= 300)
        return daemon_error(status, reply, e);
    return 0;
}

int client_error(struct bytes text, struct err *e)
{
    yyjson_doc *doc = yyjson_read((const char *)text.data, text.size, YYJSON_READ_NOFLAG);
    const struct client_reply reply = {.root = yyjson_doc_get_root(doc)};
    int rc = daemon_error(200, &reply, e);
    yyjson_doc_free(doc);
    return rc;
}

int client_ask(const struct client_request *r, struct client_reply *ret, struct err *e)
{
    int rc = 0;
    CURLcode code = CURLE_FAILED_INIT;
    struct buf socket = {0}, url = {0};
    struct curl_slist *headers = header_add(NULL, "Expect:");
    *ret = (struct client_reply){0};
    buf_init(&ret->text, CLIENT_REPLY_BYTES_MAX);
    buf_printf(&socket, "%s/api.sock", r->dir);
    buf_printf(&url, "http://localhost%s", r->path);
    CURL *curl = curl_easy_init();
    xassert(curl != NULL);

    if (strcmp(r->method, "POST") == 0) {
        uint8_t key[16];
        char hex[2 * sizeof key + 1], line[64];
        crypto_random(key, sizeof key);
        hex_encode(key, sizeof key, hex);
        (void)snprintf(line, sizeof line, "Idempotency-Key: %s", hex);
        headers = header_add(headers, line);
        headers = header_add(headers, "Content-Type: application/json");
    }
    if (strcmp(r->method, "PATCH") == 0) {
        char line[64];
        (void)snprintf(line, sizeof line, "Upload-Offset: %llu", (unsigned long long)r->offset);
        headers = header_add(headers, line);
        headers = header_add(headers, "Content-Type: application/partial-upload");
    }
    struct taking taking = {.curl = curl, .request = r, .text = &ret->text};
    set_options(curl, r, buf_cstr(&socket), buf_cstr(&url), headers, &taking);
    for (int attempt = 0; attempt < 2; attempt++) {
        code = curl_easy_perform(curl);
        if (!is_lost(code) || r->sink != NULL) /* who has taken a part of a file goes on from there */
            break;
        buf_reset(&ret->text);
    }
    rc = code == CURLE_OK ? take_reply(curl, ret, e) : transport_error(code, buf_cstr(&socket), e);

    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    buf_close(&socket);
    buf_close(&url);
    return rc;
}

void client_reply_close(struct client_reply *reply)
{
    yyjson_doc_free(reply->doc);
    buf_close(&reply->text);
    *reply = (struct client_reply){0};
}

void client_put_encoded(struct buf *url, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            buf_put(url, text, 1);
        else
            buf_printf(url, "%%%02X", (unsigned)(unsigned char)*text);
    }
}
