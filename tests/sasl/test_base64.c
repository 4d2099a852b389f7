/* base64: RFC 4648 section 10, and what is not canonical. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sasl/sasl.h"

static const struct {
    const char *plain, *coded;
} vectors[] = {
    { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
};

static void rfc4648(void **state)
{
    struct ph_buf b = PH_BUF_INIT;

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        ph_buf_clear(&b);
        assert_int_equal(ph_base64_encode(ph_str(vectors[i].plain), &b), 0);
        assert_string_equal(ph_buf_z(&b), vectors[i].coded);
        ph_buf_clear(&b);
        assert_int_equal(ph_base64_decode(ph_str(vectors[i].coded), &b), 0);
        assert_string_equal(ph_buf_z(&b), vectors[i].plain);
    }
    ph_buf_clear(&b);
    assert_int_equal(ph_base64_encode((struct ph_str){ "\xfb\xff\xfe", 3 }, &b), 0);
    assert_string_equal(ph_buf_z(&b), "+//+");
    ph_buf_done(&b);
}

static void refused(void **state)
{
    static const char *const bad[] = { "Z", "Zg", "Zg=", "=", "====", "Z===", "Zg==Zg==", "Zh==", "Zm9=", "Zm 9v",
                                       "Zm9v\n", "Zm-_", "Zm9v=", " Zm9", "Z=g=" };
    struct ph_buf b = PH_BUF_INIT;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ph_base64_decode(ph_str(bad[i]), &b), -1);
        assert_int_equal(ph_buf_len(&b), 0);
    }
    assert_int_equal(ph_base64_decode((struct ph_str){ "Zm\0v", 4 }, &b), -1);
    ph_buf_done(&b);
}

static void all_octets(void **state)
{
    char in[256];
    struct ph_buf b = PH_BUF_INIT, c = PH_BUF_INIT;

    for (int i = 0; i < 256; i++)
        in[i] = (char)(255 - i);
    assert_int_equal(ph_base64_encode((struct ph_str){ in, 256 }, &b), 0);
    assert_int_equal(ph_base64_decode(ph_buf_str(&b), &c), 0);
    assert_int_equal(ph_buf_len(&c), 256);
    assert_memory_equal(ph_buf_data(&c), in, 256);
    ph_buf_done(&b);
    ph_buf_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4648),
        cmocka_unit_test(refused),
        cmocka_unit_test(all_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
