"""Structure, dates and addresses of odd mail, as Python's email package reads it, where such mail is at hand (PH_SHARED).

The two need not agree on what is broken: parts are compared where Python finds no defect, and all but one in a hundred of each
kind must be the same. What differs: Python takes two boundaries in a row for one, bare CR for a line end, and has no limit of depth.
"""
import calendar
import email
import email.utils
import os
import subprocess
import unittest

POSTHASTE = os.environ.get('POSTHASTE', 'build/posthaste')
TELL = os.path.join(os.path.dirname(POSTHASTE), 'tests', 'mail', 'tell')
SHARED = os.environ.get('PH_SHARED', '../shared')
NOT_MAIL = ('.md', '.tsv', '.json', '.xml', '.gz', 'LICENSES')


def mails():
    for folder, _, names in os.walk(os.path.join(SHARED, 'corpus')):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if '\n' not in path and not name.endswith(NOT_MAIL) and 0 < os.path.getsize(path) < 3000000:
                yield path


def octets(word):
    return None if word == '-' else bytes.fromhex(word).decode('latin-1')


def told(paths):
    """What our side says, by path: (parts, dates, [(value, addresses)])."""
    run = subprocess.run([TELL], input='\n'.join(paths).encode(), stdout=subprocess.PIPE, check=True)
    found = {}
    for line in run.stdout.decode('utf-8', 'replace').split('\n'):
        word = line.split(' ')
        if word[0] == 'file':
            parts, dates, lists = found[line[5:]] = [], [], []
        elif word[0] == 'part':
            parts.append('/'.join(octets(w).lower() for w in word[2:4]))
        elif word[0] == 'date':
            dates.append(None if word[1] == '-' else int(word[1]))
        elif word[0] == 'list':
            lists.append((octets(word[1]), []))
        elif word[0] == 'address':
            lists[-1][1].append([octets(w) for w in word[1:4]])
    return found


def epoch(value):
    date = email.utils.parsedate_tz(value)
    try:
        return calendar.timegm(date[:6] + (0, 0, 0)) - (date[9] or 0) if date else None
    except (ValueError, OverflowError):
        return None


@unittest.skipUnless(os.path.isdir(os.path.join(SHARED, 'corpus')), 'optional: there is no corpus of odd mail')
class Oracle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.paths = list(mails())
        cls.ours = told(cls.paths)
        cls.theirs = {}
        for path in cls.paths:
            with open(path, 'rb') as file:
                cls.theirs[path] = email.message_from_bytes(file.read())

    def nearly_all(self, pairs):
        differ = [pair for pair in pairs if pair[0] != pair[1]]
        self.assertGreater(len(pairs), 1000)
        self.assertLess(len(differ), len(pairs) / 100, differ[:20])

    def test_parts(self):
        pairs = []
        for path in self.paths:
            walked = list(self.theirs[path].walk())
            types = [part.get_content_type() for part in walked]
            ours = self.ours[path][0]
            if any(part.defects for part in walked) or any(t.startswith('message/') and t != 'message/rfc822' for t in types):
                continue # Python also takes apart what is no message (delivery-status)
            if 'message/rfc822' in types and len(ours) < len(types):
                continue # and messages that are encoded, which RFC 2046 5.2.1 forbids
            if any('\r' in (part.get_boundary() or '') or len(part.get_boundary() or '') > 200 for part in walked):
                continue
            pairs.append((types, ours, path))
        self.nearly_all(pairs)

    def test_dates(self):
        self.nearly_all([(ours, epoch(str(theirs)), str(theirs)) for path in self.paths
                         for theirs, ours in zip(self.theirs[path].get_all('date') or [], self.ours[path][1])])

    def test_addresses(self):
        pairs = []
        for path in self.paths:
            for value, addresses in self.ours[path][2]:
                if len(value) > 3000:
                    continue # Python recurses
                text = value.replace('\r', '').replace('\n', '').replace('\0', '?')
                theirs = [address for _, address in email.utils.getaddresses([text]) if address]
                ours = [mailbox + ('@' + host if host else '') for _, mailbox, host in addresses
                        if mailbox is not None and host is not None]
                pairs.append(([a for a in ours if a], theirs, text[:200]))
        self.nearly_all(pairs)


if __name__ == '__main__':
    unittest.main()
