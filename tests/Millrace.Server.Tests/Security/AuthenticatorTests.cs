using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Server.Security.Requests;
using Millrace.Server.Security.Users;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Security;

/// <summary>Guessing: what it costs, what it tells, and whom it hurts.</summary>
public sealed class AuthenticatorTests : IDisposable
{
    private static readonly IPAddress Home = IPAddress.Parse("192.0.2.1");
    private static readonly IPAddress Elsewhere = IPAddress.Parse("192.0.2.2");

    private readonly UsersFolder _folder = new();
    private readonly ManualTimeProvider _clock = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("ada")]
    [InlineData("nobody")]
    public async Task DelaysDouble_UpToFiveSeconds_AlikeForKnownAndUnknownNames(string name)
    {
        await _folder.WriteAsync(UsersFolder.User("ada", "correct horse"));
        using var users = Open();
        using var authenticator = new Authenticator(users, _clock);

        Assert.Equal(LoginOutcome.Wrong, (await LogInAsync(authenticator, name, "0")).Outcome);
        foreach (var (index, expected) in ((double[])[0.25, 0.5, 1, 2, 4, 5, 5]).Index())
        {
            Assert.Equal(LoginOutcome.Wrong, (await LogInAsync(authenticator, name, $"{index + 1}")).Outcome);
            var delayed = await LogInAsync(authenticator, name, "correct horse");
            Assert.Equal((LoginOutcome.Delayed, TimeSpan.FromSeconds(expected)), (delayed.Outcome, delayed.RetryAfter));
            _clock.Advance(TimeSpan.FromSeconds(expected));
        }

        Assert.Equal(name == "ada" ? LoginOutcome.Right : LoginOutcome.Wrong, (await LogInAsync(authenticator, name, "correct horse")).Outcome);
    }

    [Fact]
    public async Task ARightPassword_ClearsTheFailures_AndOthersWereNeverDelayed()
    {
        await _folder.WriteAsync(UsersFolder.User("ada", "correct horse"), UsersFolder.User("bob", "correct horse"));
        using var users = Open();
        using var authenticator = new Authenticator(users, _clock);
        await LogInAsync(authenticator, "ada", "1");
        await LogInAsync(authenticator, "ada", "2");

        Assert.Equal(LoginOutcome.Delayed, (await LogInAsync(authenticator, "ada", "correct horse")).Outcome);
        Assert.Equal(LoginOutcome.Right, (await LogInAsync(authenticator, "bob", "correct horse")).Outcome);
        Assert.Equal(LoginOutcome.Right, (await authenticator.LogInAsync(Credentials.Password("ada", "correct horse"), Elsewhere, Token)).Outcome);

        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(LoginOutcome.Right, (await LogInAsync(authenticator, "ada", "correct horse")).Outcome);
        Assert.Equal(LoginOutcome.Wrong, (await LogInAsync(authenticator, "ada", "3")).Outcome);
        Assert.Equal(LoginOutcome.Right, (await LogInAsync(authenticator, "ada", "correct horse")).Outcome);
    }

    [Fact]
    public async Task AGuessDuringTheDelay_IsNotLookedAt_AlsoWhereThePasswordIsRemembered()
    {
        await _folder.WriteAsync(UsersFolder.User("ada", "correct horse"));
        using var users = Open();
        using var authenticator = new Authenticator(users, _clock);
        Assert.Equal(LoginOutcome.Right, (await LogInAsync(authenticator, "ada", "correct horse")).Outcome);
        await LogInAsync(authenticator, "ada", "1");
        await LogInAsync(authenticator, "ada", "2");

        Assert.Equal(LoginOutcome.Delayed, (await LogInAsync(authenticator, "ada", "correct horse")).Outcome);
        Assert.Equal(LoginOutcome.Delayed, (await LogInAsync(authenticator, "ada", "3")).Outcome);
    }

    [Fact]
    public async Task ManyGuessesAtOnce_AreNotAllLookedAt()
    {
        await _folder.WriteAsync(UsersFolder.User("ada", "correct horse"));
        using var users = Open();
        using var authenticator = new Authenticator(users, _clock);

        var results = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => LogInAsync(authenticator, "ada", $"guess {i}")));

        Assert.InRange(results.Count(result => result.Outcome == LoginOutcome.Wrong), 1, 2);
    }

    [Fact]
    public async Task TheSameRightPassword_OfManyConnections_IsCheckedForAllOfThem()
    {
        await _folder.WriteAsync(UsersFolder.User("ada", "correct horse"));
        using var users = Open();
        using var authenticator = new Authenticator(users, _clock);

        var results = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(() => LogInAsync(authenticator, "ada", "correct horse"))));

        Assert.All(results, result => Assert.Equal(LoginOutcome.Right, result.Outcome));
    }

    [Fact]
    public async Task AProgramWithAnOldPassword_DoesNotKeepOthersOut()
    {
        await _folder.WriteAsync(UsersFolder.User("ada", "correct horse"));
        using var users = Open();
        using var authenticator = new Authenticator(users, _clock);

        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(LoginOutcome.Wrong, (await LogInAsync(authenticator, "ada", "last year's")).Outcome);
            Assert.Equal(LoginOutcome.Right, (await LogInAsync(authenticator, "ada", "correct horse")).Outcome);
        }
    }

    [Fact]
    public async Task OneAddressThatTriesManyNames_IsDelayed_AndThoseWhoAreLoggedInAreNot()
    {
        await _folder.WriteAsync(UsersFolder.User("ada", "correct horse"));
        using var users = Open();
        using var authenticator = new Authenticator(users, _clock);
        Assert.Equal(LoginOutcome.Right, (await LogInAsync(authenticator, "ada", "correct horse")).Outcome);

        var outcomes = new List<LoginOutcome>();
        for (var i = 0; i < 30; i++)
        {
            outcomes.Add((await LogInAsync(authenticator, $"name {i}", "x")).Outcome);
        }

        Assert.Equal(11, outcomes.Count(outcome => outcome == LoginOutcome.Wrong));
        Assert.Equal(LoginOutcome.Right, (await LogInAsync(authenticator, "ada", "correct horse")).Outcome);
        Assert.Equal(LoginOutcome.Wrong, (await authenticator.LogInAsync(Credentials.Password("name 1", "x"), Elsewhere, Token)).Outcome);
    }

    [Fact]
    public async Task AFloodOfLogins_IsTurnedAway_BeyondABound()
    {
        await _folder.WriteAsync(UsersFolder.User("ada") with { Password = PasswordHash.Create("correct horse", 100_000) });
        using var users = Open();
        using var authenticator = new Authenticator(users, _clock);

        var fromOne = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => LogInAsync(authenticator, $"name {i}", "x")));

        Assert.InRange(fromOne.Count(result => result.Outcome == LoginOutcome.Busy), 40 - 17, 40 - 16);
    }

    [Fact]
    public void TheTableOfFailures_IsBounded_AndForgets()
    {
        var throttle = new LoginThrottle(freeFailures: 1, _clock, maxSources: 100);
        for (UInt128 source = 0; source < 1000; source++)
        {
            throttle.Fail(source);
            throttle.Fail(source);
            _clock.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.Equal(100, throttle.Count);
        Assert.Equal(TimeSpan.Zero, throttle.WaitOf(1));
        Assert.NotEqual(TimeSpan.Zero, throttle.WaitOf(999));

        for (var i = 0; i < 10; i++)
        {
            throttle.Fail(999);
        }

        _clock.Advance(TimeSpan.FromMinutes(16));
        throttle.Fail(999);
        Assert.Equal(TimeSpan.Zero, throttle.WaitOf(999));
    }

    [Fact]
    public async Task UnknownNames_CostWhatUsersCost_WithEachOfTheirParameters()
    {
        await _folder.WriteAsync([.. Enumerable.Range(0, 20).Select(i => UsersFolder.User($"user {i}") with { Password = PasswordHash.Create("correct horse", i < 10 ? 100 : 9000) })]);
        using var users = Open();

        var iterations = Enumerable.Range(0, 200).Select(i => users.Current.DummyFor($"name {i}").Iterations).ToList();

        Assert.InRange(iterations.Count(count => count == 100), 40, 160);
        Assert.Equal(iterations, Enumerable.Range(0, 200).Select(i => users.Current.DummyFor($"name {i}").Iterations));
    }

    [Fact]
    public async Task UnknownNames_AndWrongPasswords_TakeTheSameTime()
    {
        await _folder.WriteAsync(
            UsersFolder.User("ada") with { Password = PasswordHash.Create("correct horse", 6_000) },
            UsersFolder.User("old") with { Password = PasswordHash.Create("correct horse", 6_000), IsDisabled = true });
        using var users = Open();
        using var authenticator = new Authenticator(users, _clock);
        var times = new Dictionary<string, List<double>> { ["ada"] = [], ["nobody"] = [], ["old"] = [] };
        for (var round = 0; round < 1000 && (round < 21 || !AreAlike(times)); round++)
        {
            foreach (var (name, measured) in times)
            {
                var started = Stopwatch.GetTimestamp();
                var result = await LogInAsync(authenticator, name, $"wrong {round}");
                measured.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
                Assert.Equal(LoginOutcome.Wrong, result.Outcome);
                _clock.Advance(TimeSpan.FromSeconds(10));
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", times.Select(pair => $"{pair.Key}: {pair.Value.Min()} ms, the shortest of {pair.Value.Count}")));
        Assert.True(AreAlike(times));
    }

    // The shortest: what else the machine does makes rounds longer, and none shorter. On a busy one it takes more rounds to meet the shortest of each, so a round is no longer than
    // the time for which a thread is let run. That the numbers of iterations are alike is looked at above; without any, a login takes a tenth.
    private static bool AreAlike(Dictionary<string, List<double>> times)
    {
        var shortest = times.Values.Select(measured => measured.Min()).ToList();
        return shortest.Max() < shortest.Min() * 2;
    }

    private LiveUsers Open() => LiveUsers.Open(_folder.File, _clock, NullLogger.Instance);

    private static Task<LoginResult> LogInAsync(Authenticator authenticator, string name, string password) =>
        authenticator.LogInAsync(Credentials.Password(name, password), Home, Token).AsTask();
}
