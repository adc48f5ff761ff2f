const rows = new Map();
const orders = new Map();
const page = crypto.randomUUID();
const state = document.querySelector("#state");
const button = document.querySelector("button");
const money = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const client = new StompJs.Client({
  stompVersions: new StompJs.Versions(["1.2"]),
  reconnectDelay: 1000,
  heartbeatIncoming: 10000,
  heartbeatOutgoing: 10000,
  onConnect() {
    show("connected", "connected");
    client.subscribe("/topic/prices.*", message => showPrice(JSON.parse(message.body)));
    client.subscribe(`/topic/fills.${page}`, message => showFill(JSON.parse(message.body)));
  },
  onWebSocketClose: () => show("lost", "not connected, trying again…"),
  onStompError: frame => show("lost", frame.headers.message),
});

function show(what, text) {
  state.dataset.state = what;
  state.textContent = text;
  button.disabled = what !== "connected";
}

function showPrice({ symbol, price, step }) {
  const row = rows.get(symbol) ?? addRow(symbol);
  row.prices.push(price);
  if (row.prices.length > 40) row.prices.shift();
  row.price.textContent = money.format(price);
  row.step.textContent = `${step < 0 ? "−" : "+"}${money.format(Math.abs(step))}`;
  row.step.className = step < 0 ? "down" : "up";
  const [low, high] = [Math.min(...row.prices), Math.max(...row.prices)];
  row.line.setAttribute("points", row.prices.map((each, index) => `${index},${20 - (18 * (each - low)) / (high - low || 1)}`).join(" "));
}

function addRow(symbol) {
  const body = document.querySelector("#prices");
  const element = document.createElement("tr");
  element.dataset.symbol = symbol;
  element.innerHTML = `<td></td><td></td><td></td><td><svg viewBox="0 0 40 22" preserveAspectRatio="none" aria-hidden="true"><polyline/></svg></td>`;
  const [name, price, step] = element.children;
  name.textContent = symbol;
  const next = [...body.children].find(other => other.dataset.symbol > symbol) ?? null;
  body.insertBefore(element, next);
  document.querySelector("#symbol").add(new Option(symbol), next && [...body.children].indexOf(element));
  const row = { price, step, line: element.querySelector("polyline"), prices: [] };
  rows.set(symbol, row);
  return row;
}

function sendOrder(event) {
  event.preventDefault();
  const order = { id: orders.size + 1, page, symbol: document.querySelector("#symbol").value, pieces: Number(document.querySelector("#pieces").value) };
  const element = document.createElement("li");
  element.dataset.state = "sent";
  element.append(`${order.id}. ${order.pieces} × ${order.symbol}`, document.createElement("span"));
  element.lastChild.textContent = "sent";
  orders.set(order.id, element);
  document.querySelector("#orders").prepend(element);
  document.querySelector("#none").hidden = true;

  const receipt = `order-${order.id}`;
  client.watchForReceipt(receipt, () => {
    // Its worker may have been faster than this.
    if (element.dataset.state === "sent") {
      element.dataset.state = "stored";
      element.lastChild.textContent = "stored";
    }
  });
  client.publish({ destination: "/queue/orders", body: JSON.stringify(order), headers: { "content-type": "application/json", persistent: "true", receipt } });
}

function showFill({ id, price, total }) {
  const element = orders.get(id);
  element.dataset.state = "filled";
  element.lastChild.textContent = `filled at ${money.format(price)}, ${money.format(total)} in all`;
}

document.querySelector("#order").addEventListener("submit", sendOrder);
fetch("broker").then(answer => answer.text()).then(url => {
  client.brokerURL = url;
  client.activate();
});
