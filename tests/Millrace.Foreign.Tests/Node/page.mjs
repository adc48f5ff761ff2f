// Has headless Chromium use the sample page: node page.mjs CHROMIUM URL SCREENSHOT
import { chromium } from "playwright-core";
import { hear, say } from "./broker.mjs";

const [executablePath, url, screenshot] = process.argv.slice(2);
// Who runs tests as root has no other sandbox to offer than the machine.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
const page = await browser.newPage({ viewport: { width: 1100, height: 640 } });
page.setDefaultTimeout(60_000);
const faults = [];
const requests = [];
page.on("pageerror", error => faults.push(`${error}`));
page.on("console", message => message.type() === "error" && faults.push(message.text()));
page.on("request", request => requests.push(request.url()));
let sockets = 0;
page.on("websocket", () => sockets++);

await page.goto(url);
await page.waitForSelector("#state[data-state=connected]");
await page.waitForFunction(() => document.querySelectorAll("#prices tr").length === 4);
// A price that moves: lines of several points.
await page.waitForFunction(() => document.querySelector("#prices polyline").getAttribute("points")?.split(" ").length >= 4);
const symbols = await page.$$eval("#prices tr td:first-child", cells => cells.map(cell => cell.textContent));

await page.selectOption("#symbol", "GRIST");
await page.fill("#pieces", "25");
await page.click("button");
await page.waitForSelector("li[data-state=filled]");
say({ symbols, order: await page.textContent("li"), faults, requests, sockets });
await page.screenshot({ path: screenshot });

await hear();
await page.waitForSelector("#state[data-state=lost]");
say({ lost: await page.textContent("#state"), disabled: await page.isDisabled("button") });
await browser.close();
process.exit(0);
