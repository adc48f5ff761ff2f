using System.Text;
using System.Text.Json;
using Xunit;

namespace Millrace.Foreign.Tests.Python;

/// <summary>Debian's stomp.py, in all versions of the protocol. Scenarios stand in <c>scenarios.py</c>; what they must see stands here.</summary>
public sealed class PythonClientTests(Broker broker) : IClassFixture<Broker>
{
    private int Port => Broker.PortOf(broker.Node);

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task AMessage_ComesAsItWasSent_AndEveryFrameGetsItsReceipt(string version)
    {
        var said = await Script.RunPythonAsync("exchange", version, Port, $"/queue/exchange-{version}");

        Assert.Equal(version, said[0].GetProperty("connected").GetProperty("version").GetString());
        var message = said[1].GetProperty("message");
        Assert.Equal("""{"sku": 7}""", BodyOf(message));
        var expected = new[] { ("content-type", "application/json"), ("persistent", "true"), ("priority", "7"), ("colour", "blue"), ("subscription", "1") };
        foreach (var (name, value) in expected)
        {
            Assert.Equal(value, HeaderOf(message, name));
        }

        Assert.Equal($"/queue/exchange-{version}", HeaderOf(message, "destination"));
        Assert.NotEmpty(HeaderOf(message, "message-id")!);
        Assert.Null(HeaderOf(message, "ack"));
        Assert.Null(HeaderOf(message, "redelivered"));
        Assert.True(said[2].GetProperty("ended").GetBoolean());
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task Bodies_ArriveByteForByte(string version)
    {
        var said = await Script.RunPythonAsync("bodies", version, Port, $"/queue/bodies-{version}");

        Assert.Equal(6, said.Length);
        Assert.All(said, line => Assert.True(line.GetProperty("same").GetBoolean(), $"{line}"));
    }

    [Theory]
    [InlineData("1.0", "1.0")]
    [InlineData("1.0", "1.2")]
    [InlineData("1.1", "1.1")]
    [InlineData("1.2", "1.1")]
    [InlineData("1.2", "1.2")]
    public async Task Headers_ArriveBetweenVersions_Unescaped(string sender, string receiver)
    {
        var said = Assert.Single(await Script.RunPythonAsync("headers", sender, Port, receiver, $"/queue/headers-{sender}-{receiver}"));

        foreach (var header in said.GetProperty("sent").EnumerateObject())
        {
            // 1.0 lets blanks around a value mean nothing.
            var sent = header.Value.GetString();
            Assert.Equal(sender == "1.0" ? sent!.Trim() : sent, said.GetProperty("came").GetProperty(header.Name).GetString());
        }

        Assert.Equal("content-length,destination,message-id,subscription", string.Join(',', said.GetProperty("others").EnumerateArray()));
    }

    [Fact]
    public async Task ALineFeedInAHeader_MakesNoSecondHeader_For10()
    {
        var said = Assert.Single(await Script.RunPythonAsync("headers", "1.2", Port, "1.0", "/queue/headers-to-10"));

        Assert.StartsWith("one two:x", said.GetProperty("came").GetProperty("lines").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain(said.GetProperty("others").EnumerateArray(), name => name.GetString()!.StartsWith("two", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("1.0", "auto")]
    [InlineData("1.1", "auto")]
    [InlineData("1.2", "auto")]
    [InlineData("1.0", "client", "c")]
    [InlineData("1.1", "client", "c")]
    [InlineData("1.2", "client", "c")]
    [InlineData("1.0", "client-individual", "a", "c")]
    [InlineData("1.1", "client-individual", "a", "c")]
    [InlineData("1.2", "client-individual", "a", "c")]
    public async Task WhatACutConnectionHadNotAcknowledged_GoesToAnother(string version, string mode, params string[] returned)
    {
        var said = Assert.Single(await Script.RunPythonAsync("acknowledge", version, Port, $"/queue/ack-{version}-{mode}", mode));

        var first = said.GetProperty("first").EnumerateArray().ToArray();
        Assert.Equal(["a", "b", "c"], first.Select(BodyOf));
        Assert.All(first, message => Assert.Null(HeaderOf(message, "redelivered")));
        Assert.All(first, message => Assert.Equal(version == "1.2" && mode != "auto", HeaderOf(message, "ack") is not null));
        var second = said.GetProperty("second").EnumerateArray().ToArray();
        Assert.Equal(returned, second.Select(BodyOf));
        Assert.All(second, message => Assert.Equal("true", HeaderOf(message, "redelivered")));
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task Nack_BringsAMessageBack_UntilItIsADeadLetter(string version)
    {
        var queue = $"refused-{version}";
        using var settings = new StringContent("""{"maxDeliveries": 4}""", Encoding.UTF8, "application/json");
        var address = new Uri($"/api/v1/queues/{queue}", UriKind.Relative);
        (await broker.Node.Http.PutAsync(address, settings, TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();

        var said = Assert.Single(await Script.RunPythonAsync("refuse", version, Port, queue));

        Assert.Equal((null, "true", "true"), (Redelivered("first"), Redelivered("again"), Redelivered("late")));
        Assert.InRange(said.GetProperty("seconds").GetDouble(), 0.39, 30);
        foreach (var place in (string[])["browsed", "dead"])
        {
            var letters = said.GetProperty(place).EnumerateArray().ToArray();
            Assert.Equal(["bad", "worse"], letters.Select(BodyOf));
            Assert.Equal(["rejected", "max-deliveries"], letters.Select(letter => HeaderOf(letter, "dead-letter-reason")));
            Assert.Equal(["3", "4"], letters.Select(letter => HeaderOf(letter, "dead-letter-attempts")));
        }

        string? Redelivered(string which) => HeaderOf(said.GetProperty(which), "redelivered");
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task Transactions_HappenWholeOrNotAtAll(string version)
    {
        var said = await Script.RunPythonAsync("transactions", version, Port, $"/queue/jobs-{version}", $"/queue/results-{version}");

        Assert.Empty(Bodies("after_abort", 0));
        Assert.Empty(Bodies("before_commit", 1));
        Assert.Equal(["inside", "outside"], said[1].GetProperty("receipts").EnumerateArray().Select(receipt => receipt.GetString()));
        Assert.Equal(["one", "two"], Bodies("after_commit", 2));
        Assert.Empty(Bodies("left", 3));

        IEnumerable<string> Bodies(string what, int line) => said[line].GetProperty(what).EnumerateArray().Select(BodyOf);
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task HeartBeats_BothWays_KeepAQuietConnection(string version)
    {
        var said = Assert.Single(await Script.RunPythonAsync("beat", version, Port, $"/queue/beats-{version}"));

        Assert.Equal(("300,300", "alive"), (said.GetProperty("agreed").GetString(), said.GetProperty("body").GetString()));
    }

    [Fact]
    public async Task AClientThatBeatsNoMore_IsDropped_AndItsMessageGoesToAnother()
    {
        // SIGSTOP: the connection stays open and says nothing.
        await ReturnsToAnotherAsync("/queue/silent", heartBeatMs: 200, holder => Task.Run(() => holder.Process.Signal(19)));
    }

    [Fact]
    public async Task AKilledClient_ReturnsItsMessage() => await ReturnsToAnotherAsync("/queue/killed", heartBeatMs: 0, holder => holder.Process.KillAsync());

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task ADurableSubscription_GathersWhileItsOwnerIsAway_UntilItIsDeleted(string version)
    {
        var topic = $"durable-{version}";

        var said = await Script.RunPythonAsync("durable", version, Port, topic);

        Assert.Equal(("1", $"/topic/{topic}.eur"), (BodyOf(said[0].GetProperty("live")), HeaderOf(said[0].GetProperty("live"), "destination")));
        var waited = said[0].GetProperty("waited").EnumerateArray().ToArray();
        Assert.Equal([("2", $"/topic/{topic}.eur"), ("3", $"/topic/{topic}.usd")], waited.Select(message => (BodyOf(message), HeaderOf(message, "destination")!)));
        Assert.Equal("5", BodyOf(said[1].GetProperty("after_delete")));
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task ATopic_ReachesEverybodyWhoseSubscriptionMatches(string version)
    {
        var said = Assert.Single(await Script.RunPythonAsync("topics", version, Port, $"topic-{version}"));

        Assert.Equal("2", BodyOf(said.GetProperty("one")));
        Assert.Equal(
            [("1", $"/topic/topic-{version}.usd"), ("2", $"/topic/topic-{version}.eur")],
            said.GetProperty("all").EnumerateArray().Select(message => (BodyOf(message), HeaderOf(message, "destination")!)));
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task ARequest_IsAnsweredByATemporaryQueue(string version)
    {
        var said = Assert.Single(await Script.RunPythonAsync("ask", version, Port, $"/queue/requests-{version}"));

        Assert.StartsWith("/reply-queue/", HeaderOf(said.GetProperty("request"), "reply-to"), StringComparison.Ordinal);
        var answer = said.GetProperty("answer");
        Assert.Equal(("that", "c-1", "/temp-queue/answers"), (BodyOf(answer), HeaderOf(answer, "correlation-id"), HeaderOf(answer, "subscription")));
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task AFaultyFrame_IsNamedInAnError_AndEndsTheConnection(string version)
    {
        var said = await Script.RunPythonAsync("fault", version, Port);

        var error = said[0].GetProperty("error");
        Assert.Equal("invalid destination", HeaderOf(error, "message"));
        Assert.NotNull(HeaderOf(error, "receipt-id"));
        Assert.Contains("'/nowhere/at/all' is no destination", BodyOf(error), StringComparison.Ordinal);
        Assert.True(said[1].GetProperty("ended").GetBoolean());
    }

    internal static string BodyOf(JsonElement message) => message.GetProperty("body").GetString()!;

    internal static string? HeaderOf(JsonElement message, string name) => message.GetProperty("headers").TryGetProperty(name, out var value) ? value.GetString() : null;

    private async Task ReturnsToAnotherAsync(string destination, int heartBeatMs, Func<Script, Task> endAsync)
    {
        await using var holder = Script.StartPython("hold", "1.2", Port, destination, heartBeatMs);
        Assert.Equal("job", BodyOf((await holder.ReadAsync()).GetProperty("held")));
        await using var next = Script.StartPython("take", "1.2", Port, destination);
        Assert.True((await next.ReadAsync()).GetProperty("waiting").GetBoolean());

        await endAsync(holder);

        var took = (await next.ReadAsync()).GetProperty("took");
        Assert.Equal(("job", "true"), (BodyOf(took), HeaderOf(took, "redelivered")));
        Assert.Empty(await next.FinishAsync());
    }
}
