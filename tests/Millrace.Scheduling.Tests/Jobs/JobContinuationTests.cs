using System.Threading.Channels;
using Millrace.Client;
using Xunit;

namespace Millrace.Scheduling.Tests.Jobs;

/// <summary>Jobs that follow others.</summary>
public sealed class JobContinuationTests
{
    private readonly Channel<(int Number, string Id)> _followed = Channel.CreateUnbounded<(int, string)>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, "2 3")]
    [InlineData(-1, "4 3")]
    public async Task Continuations_GivenWithTheJob_FollowTheEndThatTheyWait_For(int number, string expected)
    {
        await using var site = await JobSite.OpenAsync(configure: Register);
        await using var worker = await site.StartAsync();
        var options = new JobOptions { Id = "p" }
            .Then(new Following(2))
            .Then(new Following(3), ContinuationOn.Any)
            .Then(new Following(4), ContinuationOn.Failed);

        await site.Jobs.EnqueueAsync(new WithSign(number), options, Token);

        var followed = new[] { await _followed.Reader.ReadAsync(Token), await _followed.Reader.ReadAsync(Token) };
        await site.WaitForRunsAsync(3);
        Assert.Equal(expected.Split(' ').Order(), followed.Select(next => $"{next.Number}").Order());
        Assert.All(followed, next => Assert.EndsWith("@p", next.Id, StringComparison.Ordinal));
        Assert.Equal(0, _followed.Reader.Count);
    }

    [Fact]
    public async Task AChain_RunsInOrder()
    {
        await using var site = await JobSite.OpenAsync("file", Register);
        await using var worker = await site.StartAsync();

        await site.Jobs.EnqueueAsync(
            new Following(1), new JobOptions { Id = "c" }.Then(new Following(2), options: new JobOptions().Then(new Following(3), options: new JobOptions { Delay = TimeSpan.FromMilliseconds(5) })), Token);

        Assert.Equal((1, "c"), await _followed.Reader.ReadAsync(Token));
        Assert.Equal((2, "follow-up@c"), await _followed.Reader.ReadAsync(Token));
        Assert.Equal((3, "follow-up@follow-up@c"), await _followed.Reader.ReadAsync(Token));
    }

    [Fact]
    public async Task AContinuation_AddedLater_FollowsATrackedJob_BeforeAndAfterItsEnd()
    {
        await using var site = await JobSite.OpenAsync(configure: Register);
        await site.Jobs.EnqueueAsync(new WithSign(1), new JobOptions { Id = "p", Track = true }, Token);
        var before = await site.Jobs.ContinueWithAsync("p", new Following(2), cancellationToken: Token);
        await site.Jobs.ContinueWithAsync("p", new Following(3), ContinuationOn.Failed, cancellationToken: Token);
        await using var worker = await site.StartAsync();

        Assert.Equal((2, before.ToString()), await _followed.Reader.ReadAsync(Token));
        await site.WaitForAsync("p", job => job.HasEnded);
        var after = await site.Jobs.ContinueWithAsync("p", new Following(4), cancellationToken: Token);

        Assert.Equal((4, after.ToString()), await _followed.Reader.ReadAsync(Token));
        Assert.Equal(0, _followed.Reader.Count);
        await Assert.ThrowsAsync<InvalidMessageException>(async () => await site.Jobs.ContinueWithAsync("unknown", new Following(5), cancellationToken: Token));
    }

    [Fact]
    public async Task Continuations_AddedWhileTheJobEnds_AllRunOnce()
    {
        const int count = 200;
        await using var site = await JobSite.OpenAsync(configure: Register);
        await using var worker = await site.StartAsync();
        await site.Jobs.ScheduleAsync(new WithSign(1), TimeSpan.FromMilliseconds(20), new JobOptions { Id = "p", Track = true }, Token);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(part => Task.Run(
            async () =>
            {
                for (var i = part; i < count; i += 4)
                {
                    await site.Jobs.ContinueWithAsync("p", new Following(i), cancellationToken: Token);
                }
            },
            Token)));

        var seen = new HashSet<int>();
        for (var i = 0; i < count; i++)
        {
            Assert.True(seen.Add((await _followed.Reader.ReadAsync(Token)).Number));
        }

        await site.WaitForRunsAsync(count + 1);
        Assert.Equal(0, _followed.Reader.Count);
    }

    private void Register(MillraceClientOptions options)
    {
        options.Jobs.Add<WithSign>((job, _, _) => job.Number < 0 ? throw new InvalidOperationException("negative") : Task.CompletedTask, options => options.Retry = JobRetry.None);
        options.Jobs.Add<Following>((job, context, token) => _followed.Writer.WriteAsync((job.Number, context.Id.ToString()), token).AsTask());
    }

    public sealed record WithSign(int Number);
}
