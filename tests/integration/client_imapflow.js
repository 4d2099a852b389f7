// Drives imapflow (npm) through a day's work with one account, and prints what it saw as one line of JSON.
// Usage: node client_imapflow.js FOLDER-OF-NODE-MODULES PORT USER CA-FILE-OR-EMPTY
const path = require('path');
const fs = require('fs');
const [modules, port, user, ca] = process.argv.slice(2);
const { ImapFlow } = require(path.join(modules, 'imapflow'));

const client = () => new ImapFlow({
    host: 'localhost', port: Number(port), secure: false, doSTARTTLS: Boolean(ca),
    tls: ca ? { ca: fs.readFileSync(ca) } : {},
    auth: { user, pass: 'secret' }, logger: false, qresync: true,
    clientInfo: { name: 'test', vendor: 'example.org' }
});

// Flags but \Recent, which who comes first has.
const lasting = flags => [...flags].filter(f => f !== '\\Recent').sort();

async function main() {
    const saw = {};
    const c = client();
    const heard = { exists: [], expunge: [], flags: [] };
    c.on('exists', e => heard.exists.push([e.path, e.prevCount, e.count]));
    c.on('expunge', e => heard.expunge.push(e.uid || e.seq));
    c.on('flags', e => heard.flags.push([e.uid, lasting(e.flags)]));
    await c.connect();
    saw.secure = c.secureConnection;
    saw.server = c.serverInfo && c.serverInfo.name;
    saw.enabled = [...c.enabled].sort();
    saw.before = (await c.list()).map(f => [f.path, f.specialUse || '', f.subscribed]).sort();
    await c.mailboxCreate(['Work', 'Grüße']);
    await c.mailboxSubscribe('Work/Grüße');
    const text = n => `From: bob@example.org\r\nSubject: flow ${n}\r\n\r\nText ${n}.\r\n`;
    const put = [];
    for (const n of [1, 2, 3])
        put.push(await c.append('INBOX', text(n), n === 2 ? ['\\Seen', '$Label1'] : [], new Date('1996-07-17T09:44:25Z')));
    saw.appended = put.map(r => [r.path || r.destination, r.uid]);
    const lock = await c.getMailboxLock('INBOX');
    saw.mailbox = { exists: c.mailbox.exists, uidNext: c.mailbox.uidNext, modseq: c.mailbox.highestModseq > 0n };
    saw.messages = [];
    for await (const m of c.fetch('1:*', { uid: true, flags: true, envelope: true, size: true, source: true, bodyStructure: true,
        internalDate: true, headers: ['subject'] }))
        saw.messages.push([m.uid, m.envelope.subject, lasting(m.flags), m.size === m.source.length, m.bodyStructure.type,
            m.internalDate.toISOString(), m.source.toString().endsWith('.\r\n')]);
    const { content } = await c.download('3', 'TEXT', { uid: true });
    saw.downloaded = '';
    for await (const part of content) saw.downloaded += part;
    saw.found = await c.search({ subject: 'flow', unseen: true }, { uid: true });
    saw.flagged = await c.messageFlagsAdd('1', ['\\Flagged'], { uid: true });
    const moved = await c.messageMove('2', 'Work/Grüße', { uid: true });
    saw.moved = [...moved.uidMap];
    const copied = await c.messageCopy('1', 'Work/Grüße', { uid: true });
    saw.copied = [...copied.uidMap];
    saw.deleted = await c.messageDelete('3', { uid: true });
    const status = await c.status('Work/Grüße', { messages: true, unseen: true, uidNext: true });
    saw.status = [status.messages, status.unseen, status.uidNext];
    // Somebody else's message and flag reach it while it idles.
    const other = client();
    await other.connect();
    const seen = heard.exists.length;
    const idle = c.idle();
    await other.append('INBOX', text(4));
    while (heard.exists.length === seen) await new Promise(r => setImmediate(r));
    const otherLock = await other.getMailboxLock('INBOX');
    const flags = heard.flags.length;
    await other.messageFlagsSet('4', ['\\Answered'], { uid: true });
    while (heard.flags.length === flags) await new Promise(r => setImmediate(r));
    otherLock.release();
    await other.logout();
    saw.heard = [heard.exists.at(-1), heard.flags.at(-1)];
    await c.noop();
    await idle;
    lock.release();
    await c.mailboxRename('Work/Grüße', 'Work/Salutations');
    const quota = await c.getQuota('INBOX');
    saw.quota = quota && quota.path;
    await c.logout();
    console.log(JSON.stringify(saw));
}

main().catch(e => { console.error(e, e.response, e.responseText); process.exit(1); });
