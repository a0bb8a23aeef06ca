// Wallets announce themselves (EIP-6963); older ones are `window.ethereum`. The server prepares transactions, the wallet
// shows, signs and pays them.
const element = (id) => document.getElementById(id);
const say = (text) => { element('message').textContent = text; };
const hex = (text) => '0x' + [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, '0')).join('');
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const wallets = new Map();
let provider, account, market;

async function ask(path, body) {
  const options = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch('/market' + path, options);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error?.message ?? `the server answers ${answer.status}`);
  return value;
}

// Whatever goes wrong is one sentence on the page; 4001 is a person who said no.
const guarded = (work) => async (event) => {
  event?.preventDefault?.();
  try {
    await work(event);
  } catch (error) {
    say(error.code === 4001 ? 'You declined in the wallet; nothing was sent.' : `It did not work: ${error.message}`);
  }
};

async function onTheRightChain() {
  const wanted = '0x' + market.chain_id.toString(16);
  if (await provider.request({ method: 'eth_chainId' }) !== wanted) {
    await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId: wanted }] });
  }
}

async function send(transaction, what) {
  say(`${what}: confirm it in your wallet.`);
  const hash = await provider.request({ method: 'eth_sendTransaction', params: [transaction] });
  say(`${what}: sent, waiting for the chain…`);
  for (;;) {
    const receipt = await provider.request({ method: 'eth_getTransactionReceipt', params: [hash] });
    if (receipt) {
      if (receipt.status !== '0x1') throw new Error(`${what} failed on the chain (${hash})`);
      return Number(receipt.blockNumber);
    }
    await wait(500);
  }
}

async function refresh() {
  market = await ask('/status' + (account ? `?address=${account}` : ''));
  const chosen = element('mint').elements.contribution;
  chosen.replaceChildren(...market.contributions.map(({ id, title }) => new Option(title || id, id)));
  const price = Number(market.price_wei) / 1e18;
  const until = market.paid_until > Date.now() / 1000
    ? `paid until ${new Date(market.paid_until * 1000).toLocaleString()}` : 'not paid';
  element('paid').textContent = `${price} ETH a month; ${account ? until : 'connect a wallet to see what is paid'}.`;
}

async function connect(chosen) {
  provider = chosen;
  [account] = await provider.request({ method: 'eth_requestAccounts' });
  await onTheRightChain();
  const { message } = await ask('/session/challenge', { address: account });
  const signature = await provider.request({ method: 'personal_sign', params: [hex(message), account] });
  await ask('/session', { message, signature });
  element('account').textContent = `Signed in as ${account}`;
  element('account').hidden = false;
  document.querySelectorAll('form button').forEach((button) => { button.disabled = false; });
  await refresh();
  say('');
}

function offer(name, found) {
  if (wallets.has(name)) return;
  wallets.set(name, found);
  const button = document.createElement('button');
  button.textContent = `Connect ${name}`;
  button.addEventListener('click', guarded(() => connect(found)));
  if (wallets.size === 1) element('wallets').replaceChildren();
  element('wallets').append(button);
}

async function subscribe() {
  await onTheRightChain();
  const months = Number(element('subscribe').elements.months.value);
  const { chain_id: _, ...transaction } = await ask('/subscribe/prepare', { address: account, months });
  await send(transaction, 'Subscription');
  await refresh();
  say('Paid. Thank you.');
}

async function mint() {
  await onTheRightChain();
  say('Preparing the dataset…');
  const prepared = await ask('/mint/prepare', {
    contribution: element('mint').elements.contribution.value, address: account,
  });
  let ready = prepared.ready;
  if (prepared.commit) ready = await send(prepared.commit, 'Announcement') + prepared.delay;
  while (Number(await provider.request({ method: 'eth_blockNumber', params: [] })) + 1 < ready) {
    say(`Waiting for block ${ready - 1}, so that nobody can copy the mint…`);
    await wait(1000);
  }
  await send(prepared.mint, 'Mint');
  say(`Minted: token ${prepared.token}`);
}

element('subscribe').addEventListener('submit', guarded(subscribe));
element('mint').addEventListener('submit', guarded(mint));
window.addEventListener('eip6963:announceProvider', ({ detail }) => offer(detail.info.name, detail.provider));
window.dispatchEvent(new Event('eip6963:requestProvider'));
setTimeout(() => {
  if (!wallets.size && window.ethereum) offer('browser wallet', window.ethereum);
  if (!wallets.size) element('wallets').textContent = 'No wallet found. Install one, such as MetaMask, and reload.';
}, 300);
guarded(refresh)();
