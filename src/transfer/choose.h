/* choose.h: which folders take part in a job. Pure, but for the compiled expressions. */
#ifndef PH_TRANSFER_CHOOSE_H
#define PH_TRANSFER_CHOOSE_H

#include "transfer/job.h"

struct ph_patterns; /* compiled regular expressions (PCRE2, unanchored, with a match limit); one thread */

/* PH_E_USAGE with the expression and the position when one does not compile. */
int ph_patterns_new(const struct ph_pattern_list *list, struct ph_patterns **out, struct ph_err *err);
bool ph_patterns_match(struct ph_patterns *p, const char *name);
void ph_patterns_free(struct ph_patterns *p);

/* Does this source folder take part? Gmail's views of other folders (All Mail, Important, Starred), `#` name spaces
 * and names that exist nowhere are left out unless asked for. */
bool ph_folder_chosen(const struct ph_job *j, struct ph_patterns *exclude, const struct ph_folder *f);

#endif
