// The one script of our own. What a page does beyond HTML: Enter sends, code can be copied, the newest words stay in
// sight; and wallets, transactions, uploads. Wallets announce themselves (EIP-6963); older ones are `window.ethereum`.
// The server prepares what a wallet shows, signs and pays; no key is ever seen here. Every page works without it but for
// what needs a wallet.

const element = (id: string) => document.getElementById(id);
const all = <T extends HTMLElement>(selector: string, within: ParentNode = document) => [...within.querySelectorAll<T>(selector)];
const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

// ---- the chat

const FOLLOWED = 120; // pixels from the end within which the reader follows what is written
let atEnd = true;
let looking = false;

function toTheEnd(): void {
  window.scrollTo({ top: document.documentElement.scrollHeight });
}

async function copy(button: HTMLElement, text: string): Promise<void> {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Could not copy';
  }
  await wait(1500);
  button.textContent = before;
}

// Buttons that only a script can serve are shown, and each block of code gets one.
function dress(root: ParentNode): void {
  for (const button of all('[data-copy][hidden]', root)) button.hidden = false;
  for (const block of all('.text pre', root)) {
    if (block.previousElementSibling?.classList.contains('copy') || block.closest('.draft')) continue;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'act copy';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', 'Copy this code');
    block.before(button);
  }
}

// What htmx has put into the page since it was last looked at.
function changed(): void {
  looking = false;
  const turns = element('turns');
  if (!turns) return;
  dress(turns);
  if (atEnd && turns.querySelector('.busy')) toTheEnd();
  // The address of a new conversation is its own, so that a reload shows it again.
  const conversation = element('conversation') as HTMLInputElement | null;
  if (conversation?.value && location.pathname === '/') history.replaceState(null, '', `/chat/${conversation.value}`);
}

document.addEventListener('keydown', (event) => {
  const field = event.target;
  // While an input method composes a word, Enter accepts the word.
  if (!(field instanceof HTMLTextAreaElement) || field.id !== 'prompt') return;
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (field.value.trim()) field.form?.requestSubmit();
});
document.addEventListener('click', (event) => {
  const button = (event.target as Element).closest?.<HTMLElement>('[data-copy], .copy');
  if (!button) return;
  const source = button.dataset.copy ? element(button.dataset.copy) : button.nextElementSibling;
  void copy(button, source instanceof HTMLTextAreaElement ? source.value : source?.textContent ?? '');
});
document.addEventListener('submit', (event) => {
  if (['ask', 'again'].includes((event.target as HTMLElement).id)) atEnd = true;
});
window.addEventListener('scroll', () => {
  atEnd = window.innerHeight + window.scrollY > document.documentElement.scrollHeight - FOLLOWED;
}, { passive: true });
new MutationObserver(() => {
  if (looking) return;
  looking = true;
  requestAnimationFrame(changed);
}).observe(document.documentElement, { childList: true, subtree: true });

dress(document);
const prompted = element('prompt');
if (prompted instanceof HTMLTextAreaElement) prompted.setSelectionRange(prompted.value.length, prompted.value.length);
if (document.querySelector('.turn') && !location.hash) toTheEnd();

// ---- wallets

interface Provider {
  request(call: { method: string; params?: unknown[] }): Promise<any>;
  on?(event: string, listener: (value: any) => void): void;
}
interface Call { from: string; to: string; data: string; value: string }
interface Announced { info: { name: string }; provider: Provider }
interface ChainInfo { id: number; name: string; rpc: string; explorer: string }
class Declined extends Error {}

const about = document.getElementById('wallet')?.dataset ?? {};
const chain: ChainInfo = JSON.parse(about.chain ?? '{}');
const signedIn = about.account ?? '';
const wallets = new Map<string, Provider>();
let provider: Provider | undefined;

const hex = (text: string) => '0x' + [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, '0')).join('');
const ether = (wei: string | bigint) => `${Number(BigInt(wei) * 1_000_000n / 10n ** 18n) / 1e6} ETH`;

function say(text: string, link = ''): void {
  const place = element('message');
  if (!place) return;
  place.replaceChildren(text);
  if (link && chain.explorer) {
    const anchor = document.createElement('a');
    anchor.href = `${chain.explorer}/tx/${link}`;
    anchor.rel = 'noreferrer';
    anchor.textContent = 'look at it';
    place.append(' ', anchor);
  }
}

async function ask<T = any>(path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST'): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  let content: BodyInit | undefined;
  if (body instanceof Blob || body instanceof FormData) content = body;
  else if (body !== undefined) { headers['content-type'] = 'application/json'; content = JSON.stringify(body); }
  const answer = await fetch(path, { method, headers, body: content });
  if (answer.status === 204) return undefined as T;
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok && answer.status !== 409) throw new Error(value.error?.message ?? `the server answers ${answer.status}`);
  return value;
}

// Whatever goes wrong is one sentence on the page; 4001 is a person who said no.
function guarded(work: (event?: Event) => Promise<void>): (event?: Event) => Promise<void> {
  return async (event) => {
    event?.preventDefault();
    const pressed = event?.type === 'submit' ? (event as SubmitEvent).submitter : event?.currentTarget;
    const button = pressed instanceof HTMLButtonElement ? pressed : undefined;
    if (button) button.disabled = true;
    try {
      await work(event);
    } catch (error: any) {
      say(error?.code === 4001 || error instanceof Declined
        ? 'You declined in the wallet; nothing was sent.' : `It did not work: ${error?.message ?? error}`);
    } finally {
      if (button) button.disabled = false;
    }
  };
}

// The wallet that is signed in here; a reload keeps the session, so that the wallet is only asked which account it shows.
async function wallet(): Promise<Provider> {
  if (!provider) {
    for (const found of wallets.values()) {
      const accounts: string[] = await found.request({ method: 'eth_accounts' }).catch(() => []);
      if (accounts.some((account) => account.toLowerCase() === signedIn.toLowerCase())) { provider = found; break; }
    }
  }
  if (!provider) {
    const [first] = wallets.values();
    if (!first) throw new Error('no wallet was found; install one, such as MetaMask, and reload');
    const accounts: string[] = await first.request({ method: 'eth_requestAccounts' });
    if (accounts[0]?.toLowerCase() !== signedIn.toLowerCase()) {
      throw new Error(`you are signed in as ${signedIn}; choose that account in your wallet`);
    }
    provider = first;
  }
  await onTheRightChain(provider);
  return provider;
}

async function onTheRightChain(using: Provider): Promise<void> {
  const wanted = '0x' + chain.id.toString(16);
  if (await using.request({ method: 'eth_chainId' }) === wanted) return;
  try {
    await using.request({ method: 'wallet_switchEthereumChain', params: [{ chainId: wanted }] });
  } catch (error: any) {
    if (error?.code !== 4902 || !chain.rpc) throw error;
    const currency = { name: 'Ether', symbol: 'ETH', decimals: 18 };
    await using.request({
      method: 'wallet_addEthereumChain',
      params: [{ chainId: wanted, chainName: chain.name, rpcUrls: [chain.rpc], nativeCurrency: currency }],
    });
  }
  if (await using.request({ method: 'eth_chainId' }) !== wanted) throw new Error(`switch your wallet to ${chain.name}`);
}

// Send one transaction and wait until it is mined. One that vanished and whose nonce another took was replaced or dropped
// by the wallet: what then counts is what the chain says, so the caller asks the server anew.
async function send(call: Call, what: string): Promise<'mined' | 'gone'> {
  const using = await wallet();
  say(`${what}: confirm it in your wallet.`);
  const hash: string = await using.request({ method: 'eth_sendTransaction', params: [call] });
  let nonce: number | undefined;
  let missing = 0;
  for (;;) {
    const receipt = await using.request({ method: 'eth_getTransactionReceipt', params: [hash] }).catch(() => null);
    if (receipt) {
      if (receipt.status !== '0x1') throw new Error(`${what} failed on the chain (${hash})`);
      return 'mined';
    }
    const known = await using.request({ method: 'eth_getTransactionByHash', params: [hash] }).catch(() => undefined);
    if (known) { nonce = Number(known.nonce); missing = 0; } else if (known === null) missing += 1;
    if (missing > 5) {
      const used = Number(await using.request({ method: 'eth_getTransactionCount', params: [call.from, 'latest'] }));
      if (nonce === undefined || used > nonce || missing > 60) {
        say(`${what}: your wallet replaced or dropped this transaction. Asking the chain…`);
        return 'gone';
      }
    }
    say(`${what}: sent, waiting for the chain…`, hash);
    await wait(500);
  }
}

async function connect(chosen: Provider): Promise<void> {
  const [account] = await chosen.request({ method: 'eth_requestAccounts' });
  await onTheRightChain(chosen);
  const { message } = await ask('/market/session/challenge', { address: account });
  const signature = await chosen.request({ method: 'personal_sign', params: [hex(message), account] });
  await ask('/market/session', { message, signature });
  location.reload();
}

function offer(name: string, found: Provider): void {
  if (wallets.has(name)) return;
  wallets.set(name, found);
  // Another account or chain in the wallet: what the page shows is no longer about it.
  found.on?.('accountsChanged', guarded(async () => {
    const accounts: string[] = await found.request({ method: 'eth_accounts' });
    const still = accounts.some((account) => account.toLowerCase() === signedIn.toLowerCase());
    if (found === provider && signedIn && !still) {
      await ask('/market/session', undefined, 'DELETE');
      location.reload();
    }
  }) as () => void);
  found.on?.('chainChanged', (now: string) => {
    if (found === provider && Number(now) !== chain.id) say(`Your wallet is on another chain; this page is about ${chain.name}.`);
  });
  const place = element('wallets');
  if (!place) return;
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = `Connect ${name}`;
  button.addEventListener('click', guarded(() => connect(found)));
  place.append(button);
}

async function mint(name: string): Promise<void> {
  const note = element('progress');
  for (;;) {
    const prepared = await ask(`/contribute/${name}/prepare`, {});
    if (prepared.commit) {
      if (note) note.textContent = `1 of 2: announce it. Both together cost about ${ether(prepared.fee_wei)}.`;
      await send(prepared.commit, 'Announcement');
      continue; // the server says whether it is announced, whatever became of this transaction
    }
    if (prepared.head + 1 < prepared.ready) {
      const left = prepared.ready - 1 - prepared.head;
      if (note) note.textContent = `Announced. ${left} more block${left > 1 ? 's' : ''} until it may be minted, so that nobody can copy it.`;
      say('Waiting for the chain…');
      await wait(1000);
      continue;
    }
    if (note) note.textContent = '2 of 2: mint it.';
    if (await send(prepared.mint, 'Mint') === 'mined') {
      location.assign(`/datasets/${prepared.token}`);
      return;
    }
  }
}

async function perform(path: string, body: unknown, what: string): Promise<void> {
  const prepared = await ask(path, body);
  if (await send(prepared, what) === 'mined') location.reload();
}

async function sell(form: HTMLFormElement): Promise<void> {
  const token = form.dataset.offer!;
  const terms = { price: form.price.value, days: Number(form.days.value) };
  const prepared = await ask(`/datasets/${token}/offer/prepare`, terms);
  if (prepared.approve) await send(prepared.approve, 'Permission for this one token');
  say('The offer: sign it in your wallet. It costs nothing until somebody buys.');
  const using = await wallet();
  const typed = JSON.stringify(prepared.typed_data);
  const signature = await using.request({ method: 'eth_signTypedData_v4', params: [signedIn, typed] });
  await ask(`/datasets/${token}/offer`, { parameters: prepared.parameters, signature });
  location.reload();
}

async function unlock(token: string): Promise<void> {
  const { message } = await ask('/market/unlock/challenge', { token, address: signedIn });
  say('Sign in your wallet that you own it. This costs nothing.');
  const using = await wallet();
  const signature = await using.request({ method: 'personal_sign', params: [hex(message), signedIn] });
  say('Opening the dataset…');
  const { ticket } = await ask(`/datasets/${token}/ticket`, { message, signature });
  say('It is being downloaded.');
  location.assign(`/datasets/${token}/download?ticket=${ticket}`);
}

// An upload in pieces: what was cut off resumes where the server says that it stopped.
async function upload(form: HTMLFormElement): Promise<void> {
  const piece = Number(form.dataset.piece);
  const given = form.querySelector<HTMLInputElement>('input[name=files]')!.files ?? [];
  const folder = (element('folder') as HTMLInputElement | null)?.files ?? [];
  const named = [...given, ...folder].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
  const files = named.filter(({ name }) => !name.split('/').some((part) => part.startsWith('.')));
  if (!files.length) throw new Error('choose files or a folder');
  let id = form.dataset.contribution;
  if (!id) {
    const words = new FormData();
    for (const name of ['contributor', 'licence']) words.set(name, form[name].value);
    ({ id } = await ask('/contribute', words));
    form.dataset.contribution = id;
  }
  const total = files.reduce((sum, { file }) => sum + file.size, 0) || 1;
  const bar = element('uploaded') as HTMLProgressElement;
  bar.hidden = false;
  let before = 0;
  for (const { file, name } of files) {
    const path = `/contribute/${id}/files?file=${encodeURIComponent(name)}`;
    let { size } = await ask(path);
    let failures = 0;
    while (size < file.size) {
      try {
        ({ size } = await ask(`${path}&offset=${size}`, file.slice(size, size + piece), 'PUT'));
        failures = 0;
      } catch (error) {
        if (!(error instanceof TypeError) || ++failures > 8) throw error; // a TypeError is the network
        say('The connection was lost; trying again…');
        await wait(500 * 2 ** failures);
        ({ size } = await ask(path).catch(() => ({ size })));
      }
      bar.value = (before + size) / total;
      say(`Uploading: ${(100 * bar.value).toFixed(0)} %`);
    }
    before += file.size;
  }
  if (form.id === 'upload') await fetch(`/contribute/${id}/check`, { method: 'POST', redirect: 'manual' });
  location.assign(`/contribute/${id}`);
}

for (const hidden of all('.script')) hidden.hidden = false;
const out = element('sign-out');
if (out) {
  out.hidden = false;
  out.addEventListener('click', guarded(async () => {
    await ask('/market/session', undefined, 'DELETE');
    location.reload();
  }));
}
const form = (id: string) => element(id) as HTMLFormElement | null;
for (const id of ['upload', 'resume']) {
  const given = form(id);
  given?.addEventListener('submit', guarded(() => upload(given)));
  // A folder is enough; the browser would ask for files too.
  given?.querySelectorAll('input[type=file]').forEach((input) => { (input as HTMLInputElement).required = false; });
}
form('subscribe')?.addEventListener('submit', guarded(async () => {
  const months = Number(form('subscribe')!.months.value);
  await perform('/market/subscribe/prepare', { address: signedIn, months }, 'Subscription');
}));
form('price')?.addEventListener('submit', guarded(() =>
  perform('/market/price/prepare', { price: form('price')!.price.value }, 'New price')));
for (const button of all('[data-mint]')) button.addEventListener('click', guarded(() => mint(button.dataset.mint!)));
for (const given of all<HTMLFormElement>('[data-offer]')) given.addEventListener('submit', guarded(() => sell(given)));
for (const button of all('[data-unlock]')) button.addEventListener('click', guarded(() => unlock(button.dataset.unlock!)));
for (const button of all('[data-buy]')) {
  button.addEventListener('click', guarded(() => perform(`/datasets/${button.dataset.buy}/buy`, {}, 'Purchase')));
}
for (const button of all('[data-cancel]')) {
  button.addEventListener('click', guarded(() => perform(`/datasets/${button.dataset.cancel}/offer/cancel`, {}, 'Cancellation')));
}
for (const button of all('[data-claim]')) {
  const [token, epoch] = button.dataset.claim!.split(' ');
  button.addEventListener('click', guarded(() => perform(`/datasets/${token}/claim`, { epoch: Number(epoch) }, 'Claim')));
}
for (const given of all<HTMLFormElement>('[data-transfer]')) {
  given.addEventListener('submit', guarded(() => perform(`/datasets/${given.dataset.transfer}/transfer`, { to: given.to.value }, 'Transfer')));
}

if (element('wallet')) {
  window.addEventListener('eip6963:announceProvider', ((event: CustomEvent<Announced>) => {
    offer(event.detail.info.name, event.detail.provider);
  }) as EventListener);
  window.dispatchEvent(new Event('eip6963:requestProvider'));
  setTimeout(() => {
    const old = (window as unknown as { ethereum?: Provider }).ethereum;
    if (!wallets.size && old) offer('browser wallet', old);
    if (!wallets.size) element('wallets')?.append('No wallet found. Install one, such as MetaMask, and reload.');
  }, 300);
}
